"""`detectory data split`: random splits of a dataset."""

from pathlib import Path

import click

from detectory.cli.options import image_files_option, images_option, only_option, skip_objects_option, target_option


@click.command("split")
@click.argument("path")
@click.argument("output", type=click.Path(path_type=Path))
@click.argument("fractions", nargs=-1, required=True, metavar="NAME=FRACTION...")
@click.option(
    "--by",
    "method",
    type=click.Choice(["image", "class", "folder"]),
    default="image",
    help="Split at random by image, keep the fractions of every class, or keep the images of a folder together.",
)
@click.option("--seed", default=0, help="The seed of the random order.")
@target_option
@images_option
@only_option
@image_files_option
@skip_objects_option
def command(
    path: str,
    output: Path,
    fractions: tuple[str, ...],
    method: str,
    seed: int,
    target: str,
    images: str | None,
    only: str,
    image_files: str,
    skip_objects: bool,
) -> None:
    """Write random splits of a dataset.

    The images of all annotation files of PATH are distributed. The sum of the fractions must be 1. The same seed
    results in the same splits. The input is not changed, and OUTPUT must be new or empty.

    \b
    Examples:
      detectory data split my_dataset/ splits/ train=0.8 val=0.2
      detectory data split videos/ splits/ train=0.7 val=0.15 test=0.15 --by folder --seed 3
      detectory data split export/ splits/ train=0.9 val=0.1 --by class --to yolo --image-files link
    """
    from detectory.cli.datasets.conversion import (
        SplitRecords,
        combine,
        exit_if_undecided,
        load_split,
        print_split,
        write_folder,
    )
    from detectory.cli.datasets.source_selection import select_sources
    from detectory.data.splitting import split_records

    loaded = [load_split(source) for source in select_sources(path, images, only)]
    whole = combine(loaded, path)
    parts = split_records(whole.records, _parsed(fractions), method, seed)
    splits = [
        SplitRecords(name, f"{path}: {name}", records, whole.class_names, whole.category_ids, whole.keypoints)
        for name, records in parts.items()
    ]
    for split in splits:
        split.read.keep(sum(len(record["annotations"]) for record in split.records))
    write_folder(splits, output, target, image_files=image_files)
    for split in splits:
        print_split(split, output, target)
    for split in loaded:
        for line in split.read.lines()[1:]:
            click.echo(f"{split.origin}: {line}")
    exit_if_undecided([*loaded, *splits], skip_objects)


def _parsed(fractions: tuple[str, ...]) -> dict[str, float]:
    parsed: dict[str, float] = {}
    for text in fractions:
        name, _, value = text.partition("=")
        try:
            fraction = float(value)
        except ValueError as error:
            raise click.UsageError(f"expected NAME=FRACTION, got {text!r}") from error
        if not name or name in parsed:
            raise click.UsageError(f"names of splits must be unique and not empty, got {text!r}")
        parsed[name] = fraction
    return parsed
