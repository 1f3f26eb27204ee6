"""`detectory data check`: every problem of a dataset."""

from dataclasses import asdict

import click

from detectory.cli.options import json_option

from .progress import progress_bar


@click.command("check")
@click.argument("path")
@click.option("--images", type=click.Path(exists=True, file_okay=False), help="The folder of the images of JSON files.")
@click.option("--decode", is_flag=True, help="Decode every image; compare panoptic PNG files with their segments.")
@json_option("an array of problems")
@click.option(
    "--limit", default=200, type=click.IntRange(min=0), help="Print at most this many problems; the count is of all."
)
def command(path: str, images: str | None, decode: bool, as_json: bool, limit: int) -> None:
    """Report every problem of a dataset by file, id and field.

    PATH is a dataset in COCO's, LVIS's, COCO's panoptic, Pascal VOC's, YOLO's or LabelMe's format, or the name of a
    registered one; of a folder all annotation files are checked. Exits with 1 when there are problems.

    \b
    Examples:
      detectory data check my_dataset/
      detectory data check my_dataset/annotations/instances_train.json --json
      detectory data check coco/annotations/panoptic_val2017.json --decode
    """
    from detectory.cli.json_output import print_json
    from detectory.data.validation import check_dataset

    with progress_bar("checking") as advance:
        problems = check_dataset(path, images, decode=decode, progress=advance)
    if as_json:
        print_json([asdict(problem) for problem in problems])
    else:
        for problem in problems[:limit]:
            click.echo(str(problem))
        counted = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        click.echo(f"{path}: {counted}" + (f", the first {limit} shown" if len(problems) > limit else ""))
    if problems:
        raise click.exceptions.Exit(1)
