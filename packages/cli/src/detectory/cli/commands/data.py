"""`detectory data`: looks into datasets."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click


@click.group("data")
def command() -> None:
    """Check datasets."""


@command.command("check")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array of faults instead of lines.")
@click.option("--limit", default=200, show_default=True, help="Print at most this many faults; the count is of all.")
def check(path: Path, as_json: bool, limit: int) -> None:
    """Report every fault of a dataset in COCO format, with file, id and field.

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
