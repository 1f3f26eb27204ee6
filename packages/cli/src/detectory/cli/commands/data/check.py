"""`detectory data check`: validation of a dataset."""

from dataclasses import asdict

import click

from detectory.cli.commands.data.progress import progress_bar
from detectory.cli.options import images_option, json_option


@click.command("check")
@click.argument("path")
@images_option
@click.option("--decode", is_flag=True, help="Decode every image, and compare panoptic PNG files with their segments.")
@json_option("an array of problems")
@click.option("--limit", default=200, type=click.IntRange(min=0), help="Maximum number of problems to print.")
def command(path: str, images: str | None, decode: bool, as_json: bool, limit: int) -> None:
    """Report all problems of a dataset by file, id and field.

    PATH is a dataset in COCO, LVIS, COCO panoptic, Pascal VOC, YOLO or LabelMe format, or the name of a registered
    dataset. In a folder, all annotation files are checked. The exit code is 1 if there are problems.

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
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        click.echo(f"{path}: {count}" + (f", showing the first {limit}" if len(problems) > limit else ""))
    if problems:
        raise click.exceptions.Exit(1)
