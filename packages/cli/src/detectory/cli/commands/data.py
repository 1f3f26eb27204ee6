"""`detectory data`: looks into datasets."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from detectory.cli.options import json_option


@click.group("data")
def command() -> None:
    """Check datasets.

    \b
    Examples:
      detectory data check my_dataset/
    """


@command.command("check")
@click.argument("path", type=click.Path(path_type=Path))
@json_option("an array of faults")
@click.option("--limit", default=200, help="Print at most this many faults; the count is of all.")
def check(path: Path, as_json: bool, limit: int) -> None:
    """Report every fault of a COCO dataset by file, id and field.

    PATH is a folder in COCO layout (annotations/instances_*.json beside the folders of images) or one JSON file.
    Exits with 1 when there are faults.

    \b
    Examples:
      detectory data check my_dataset/
      detectory data check my_dataset/annotations/instances_train.json --json
    """
    from detectory.data.check import check_dataset

    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    with click.progressbar(length=1, label="checking", file=sys.stderr, show_eta=True) as bar:

        def advance(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        faults = check_dataset(path, progress=advance)
    if as_json:
        click.echo(json.dumps([asdict(fault) for fault in faults], default=str))
    else:
        for fault in faults[:limit]:
            click.echo(str(fault))
        click.echo(f"{path}: {len(faults)} faults" + (f", the first {limit} shown" if len(faults) > limit else ""))
    if faults:
        raise click.exceptions.Exit(1)
