"""`detectory data stats`: statistics of a dataset as a table and an HTML page."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detectory.cli.commands.data.progress import progress_bar
from detectory.cli.options import complete_recipe, images_option, json_option, only_option, overwrite_option

if TYPE_CHECKING:
    import numpy as np

    from detectory.data.sources import Source
    from detectory.data.statistics import DatasetStatistics
    from detectory.structures.records import DatasetRecord


@click.command("stats")
@click.argument("path")
@images_option
@only_option
@click.option("--page", type=click.Path(path_type=Path), default=Path("dataset.html"), help="The HTML file to write.")
@overwrite_option
@click.option(
    "--samples", default=48, type=click.IntRange(min=0), help="Number of images on the page per annotation file."
)
@click.option("--seed", default=0, help="Seed for the selection of images.")
@click.option(
    "--recipe",
    shell_complete=complete_recipe,
    help="The recipe that the advice is for: a zoo name or a file (default: by the annotations).",
)
@click.option("--rows", default=40, type=click.IntRange(min=0), help="Number of classes to print, most frequent first.")
@json_option("the statistics")
def command(
    path: str,
    images: str | None,
    only: str,
    page: Path,
    overwrite: bool,
    samples: int,
    seed: int,
    recipe: str | None,
    rows: int,
    as_json: bool,
) -> None:
    """Count classes, objects, sizes and class imbalance.

    Prints one table per annotation file of PATH, and writes a self-contained HTML page with plots and annotated images.
    For training splits, it also lists what a recipe does not fit, such as objects that are too small for the anchors,
    and the KEY=VALUE arguments of `detectory train` that change the recipe.

    \b
    Examples:
      detectory data stats my_dataset/
      detectory data stats my_dataset/ --only val --page val.html --samples 100
      detectory data stats my_dataset/ --recipe COCO-Detection/retinanet_R_50_FPN_1x
      detectory data stats coco_2017_val --json > statistics.json
    """
    from detectory.cli.datasets.source_selection import class_names, select_sources
    from detectory.cli.json_output import print_json
    from detectory.core.storage import OutputFiles
    from detectory.data.sources import load_source
    from detectory.data.statistics import dataset_statistics

    outputs = OutputFiles(page.parent, overwrite=overwrite)
    outputs.check([page.name])
    loaded = {source: load_source(source) for source in select_sources(path, images, only)}
    counted: dict[Source, DatasetStatistics] = {}
    for source, (records, metadata) in loaded.items():
        with progress_bar(f"counting {source}") as advance:
            counted[source] = dataset_statistics(records, class_names(metadata), advance)
        if not as_json:
            _print_tables(str(source), counted[source], rows)

    # The drawings and the advice import torch; the tables are printed before.
    from detectory.cli.datasets.advice import advise_on_splits
    from detectory.cli.pages import dataset_page
    from detectory.visualization.html import Page

    html = Page(f"Dataset {path}", f"Written by detectory data stats with {samples} images per annotation file")
    unreadable = 0
    for source, (records, metadata) in loaded.items():
        drawings = list(_draw_samples(records, counted[source], metadata, samples, seed))
        drawn = [(record, drawing) for record, drawing in drawings if not isinstance(drawing, Exception)]
        unreadable += len(drawings) - len(drawn)
        dataset_page.add_dataset(html, str(source), counted[source], drawn, metadata)
    as_dicts = {str(source): _as_dict(statistics) for source, statistics in counted.items()}
    for advice in advise_on_splits(counted, recipe):
        as_dicts[str(advice.source)]["advice"] = advice.as_dict()
        dataset_page.add_advice(html, advice)
        if not as_json:
            click.echo(f"\n{advice}")
    with outputs.replacing(page.name) as file:
        html.save(file)
    if as_json:
        print_json(as_dicts)
    click.echo(f"\npage: {page}", err=as_json)
    if unreadable:
        raise click.ClickException(
            f"{unreadable} images could not be drawn. Run 'detectory data check {path}' for details"
        )


def _draw_samples(
    records: "Sequence[DatasetRecord]", statistics: "DatasetStatistics", metadata: Any, samples: int, seed: int
) -> "Iterator[tuple[DatasetRecord, np.ndarray | Exception]]":
    """Yield selected records with their drawings; an image that cannot be drawn is reported and yields its error."""
    from detectory.data.statistics import sample_records
    from detectory.engine.report.drawings import draw_annotations

    indices = sample_records(statistics, samples, seed)
    with click.progressbar(indices, label="drawing", file=sys.stderr) as bar:
        for index in bar:
            record = records[index]
            try:
                yield record, draw_annotations(record, metadata, max_side=800).get_image()
            except (OSError, ValueError) as error:
                click.echo(f"\n{error}", err=True)
                yield record, error


def _print_tables(title: str, statistics: "DatasetStatistics", max_rows: int) -> None:
    from detectory.cli.datasets.tables import COLUMNS, class_rows, format_table, summary

    click.echo(f"\n{title}")
    for name, value in summary(statistics).items():
        click.echo(f"  {name}: {value:.2f}" if isinstance(value, float) else f"  {name}: {value}")
    rows = class_rows(statistics)
    click.echo("\n" + format_table(COLUMNS, rows[:max_rows]))
    if len(rows) > max_rows:
        click.echo(f"… and {len(rows) - max_rows} more classes (use --rows {len(rows)} to print all)")


def _as_dict(statistics: "DatasetStatistics") -> dict[str, Any]:
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
