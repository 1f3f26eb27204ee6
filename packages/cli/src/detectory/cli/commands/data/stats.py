"""`detectory data stats`: what a dataset holds, as a table and as one HTML page."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detectory.cli.options import json_option

from .progress import progress_bar

if TYPE_CHECKING:
    from detectory.data.statistics import DatasetStatistics


@click.command("stats")
@click.argument("path")
@click.option("--images", type=click.Path(exists=True, file_okay=False), help="The folder of the images of JSON files.")
@click.option("--only", default="", help="Of several annotation files, those with this text in their name or split.")
@click.option("--page", type=click.Path(path_type=Path), default=Path("dataset.html"), help="The page to write.")
@click.option(
    "--samples", default=48, type=click.IntRange(min=0), help="Images of each annotation file on the page; 0 for none."
)
@click.option("--seed", default=0, help="Of the choice of images.")
@click.option("--rows", default=40, type=click.IntRange(min=0), help="Classes printed, the most frequent first.")
@json_option("the figures")
def command(
    path: str, images: str | None, only: str, page: Path, samples: int, seed: int, rows: int, as_json: bool
) -> None:
    """Count classes, objects, sizes, areas and imbalance.

    Prints a table for each annotation file of PATH and writes one HTML page with plots and drawn images, which opens
    without a network.

    \b
    Examples:
      detectory data stats my_dataset/
      detectory data stats my_dataset/ --only val --page val.html --samples 100
      detectory data stats coco_2017_val --json > figures.json
    """
    from detectory.cli.json_output import print_json
    from detectory.cli.pages import dataset_page
    from detectory.data.formats.sources import load_source
    from detectory.data.statistics import dataset_statistics
    from detectory.visualization.html import Page

    written = Page(f"Dataset {path}", f"Written by detectory data stats, {samples} images of each file")
    figures: dict[str, Any] = {}
    unreadable = 0
    for source in chosen_sources(path, images, only):
        records, metadata = load_source(source)
        names = list(metadata.get("thing_classes") or metadata.get("stuff_classes") or [])
        with progress_bar(f"counting {source}") as advance:
            statistics = dataset_statistics(records, names, advance)
        drawn = list(_drawn(records, statistics, metadata, samples, seed))
        good = [(record, picture) for record, picture in drawn if not isinstance(picture, Exception)]
        unreadable += len(drawn) - len(good)
        dataset_page.add_dataset(written, str(source), statistics, good, metadata)
        figures[str(source)] = _as_json(statistics)
        if not as_json:
            click.echo(f"\n{source}")
            for name, value in dataset_page.summary(statistics).items():
                click.echo(f"  {name}: {value:.2f}" if isinstance(value, float) else f"  {name}: {value}")
            table = dataset_page.class_rows(statistics)
            click.echo("\n" + dataset_page.text_table(dataset_page.COLUMNS, table[:rows]))
            if len(table) > rows:
                click.echo(f"… and {len(table) - rows} more classes (--rows {len(table)} shows all)")
    written.save(page)
    if as_json:
        print_json(figures)
    click.echo(f"\npage: {page}", err=as_json)
    if unreadable:
        raise click.ClickException(f"{unreadable} images could not be drawn; detectory data check {path} tells more")


def chosen_sources(path: str, images: str | None, only: str) -> list[Any]:
    """Find the annotations of a path whose name or split has a text in it.

    Raises:
        FileNotFoundError: There are none.
    """
    from detectory.data.formats.sources import find_sources

    found = find_sources(path, images)
    kept = [source for source in found if only in source.path.name or only in source.split]
    if not kept:
        raise FileNotFoundError(f"{path}: no annotations with {only!r} in their name: {', '.join(map(str, found))}")
    return kept


def _drawn(
    records: Any, statistics: "DatasetStatistics", metadata: Any, samples: int, seed: int
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield chosen records with their pictures; in the place of a picture that failed, the error, which is printed."""
    from detectory.cli.pages.annotated_image import drawn_record
    from detectory.data.statistics import sample_records

    places = sample_records(statistics, samples, seed)
    with click.progressbar(places, label="drawing", file=sys.stderr) as bar:
        for place in bar:
            record = records[place]
            try:
                yield record, drawn_record(record, metadata, longest=800).get_image()
            except (OSError, ValueError) as error:
                click.echo(f"\n{error}", err=True)
                yield record, error


def _as_json(statistics: "DatasetStatistics") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "images": statistics.images,
        "objects": statistics.objects,
        "crowds": statistics.crowds,
        "images_without_objects": statistics.empty_images,
        "imbalance": statistics.imbalance,
        "objects_with": statistics.objects_with,
        "classes": [asdict(one) for one in statistics.classes],
    }
