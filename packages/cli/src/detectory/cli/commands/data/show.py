"""`detectory data show`: images with their annotations drawn on them."""

import random
import sys
from pathlib import Path
from typing import Any

import click

from .stats import chosen_sources


@click.command("show")
@click.argument("path")
@click.option("--images", type=click.Path(exists=True, file_okay=False), help="The folder of the images of JSON files.")
@click.option("--only", default="", help="Of several annotation files, those with this text in their name or split.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("shown"), help="Where pictures go."
)
@click.option(
    "--count", default=20, type=click.IntRange(min=1), help="Draw at most this many images of each annotation file."
)
@click.option("--image-id", "ids", multiple=True, help="Draw this image; may be given several times.")
@click.option("--class", "class_name", help="Draw images that have an object of this class.")
@click.option("--random", "seed", type=int, metavar="SEED", help="Choose at random instead of from the beginning.")
def command(
    path: str,
    images: str | None,
    only: str,
    output: Path,
    count: int,
    ids: tuple[str, ...],
    class_name: str | None,
    seed: int | None,
) -> None:
    """Draw a dataset's annotations on its images.

    Boxes, masks, keypoints, semantic labels and panoptic segments are drawn.

    Writes one picture an image into a folder for each annotation file. An image that cannot be drawn is named, the
    others go on, and the exit code is 1.

    \b
    Examples:
      detectory data show my_dataset/ --count 50
      detectory data show coco/annotations/instances_val2017.json --image-id 139 --image-id 285
      detectory data show voc_2007_trainval --class dog --random 1 --output dogs/
    """
    from detectory.cli.pages.annotated_image import drawn_record
    from detectory.data.formats.sources import load_source

    drawn = failed = 0
    for source in chosen_sources(path, images, only):
        records, metadata = load_source(source)
        chosen = _chosen(records, metadata, ids, class_name, seed, count)
        folder = output / (source.path.stem + (f"_{source.split}" if source.format in ("voc", "yolo") else ""))
        with click.progressbar(chosen, label=f"drawing {source}", file=sys.stderr) as bar:
            for record in bar:
                name = f"{record.get('image_id', '')}_{Path(record['file_name']).stem}".lstrip("_")
                try:
                    drawn_record(record, metadata).save(folder / f"{name}.jpg")
                    drawn += 1
                except (OSError, ValueError) as error:
                    failed += 1
                    click.echo(f"\n{error}", err=True)
    click.echo(f"{drawn} pictures: {output}/")
    if failed:
        raise click.ClickException(f"{failed} images could not be drawn")
    if not drawn:
        raise click.ClickException("no image of the dataset is as asked")


def _chosen(
    records: Any, metadata: Any, ids: tuple[str, ...], class_name: str | None, seed: int | None, count: int
) -> list[dict[str, Any]]:
    """Take the records that are asked for, from the beginning or in a random order."""
    from detectory.core.suggestions import nearest

    number = None
    if class_name is not None:
        names = list(metadata.get("thing_classes") or metadata.get("stuff_classes") or [])
        if class_name not in names:
            raise ValueError(f"--class: unknown class {class_name!r}: {nearest(class_name, names)}")
        number = names.index(class_name)
    order = list(range(len(records)))
    if seed is not None:
        random.Random(seed).shuffle(order)
    chosen = []
    for place in order:
        record = records[place]
        parts = record.get("annotations") or record.get("segments_info") or []
        if ids and str(record.get("image_id")) not in ids:
            continue
        if number is None or any(part["category_id"] == number for part in parts):
            chosen.append(record)
        if len(chosen) >= count:
            break
    return chosen
