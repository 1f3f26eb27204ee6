"""`detectory data merge`: union of several datasets."""

from pathlib import Path
from typing import Any

import click

from detectory.cli.options import image_files_option, skip_objects_option, target_option


@click.command("merge")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.argument("output", type=click.Path(path_type=Path))
@target_option
@image_files_option
@skip_objects_option
def command(paths: tuple[str, ...], output: Path, target: str, image_files: str, skip_objects: bool) -> None:
    """Write the union of several datasets.

    Splits with the same name are merged. Classes are matched by name. Images get the ids 1, 2, …, and are written to a
    folder per dataset, so that equal file names do not collide. The inputs are not changed, and OUTPUT must be new or
    empty.

    \b
    Examples:
      detectory data merge first/ second/ merged/
      detectory data merge yolo/ coco/annotations/instances_train.json merged/ --to yolo --image-files link
    """
    from detectory.cli.datasets.conversion import combine, exit_if_undecided, load_split, print_split, write_folder
    from detectory.data.sources import find_sources

    if len(paths) < 2:
        raise click.UsageError("expected at least two datasets")
    by_name: dict[str, list[Any]] = {}
    for path in paths:
        for source in find_sources(path):
            split = load_split(source)
            by_name.setdefault(split.name, []).append(split)
    splits = [combine(parts, " + ".join(part.origin for part in parts)) for parts in by_name.values()]
    write_folder(splits, output, target, image_files=image_files)
    for split in splits:
        print_split(split, output, target)
    exit_if_undecided(splits, skip_objects)
