"""`detectory data show`: images with their annotations drawn."""

import sys
from pathlib import Path

import click

from detectory.cli.options import images_option, only_option, overwrite_option


@click.command("show")
@click.argument("path")
@images_option
@only_option
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("shown"), help="The output folder."
)
@overwrite_option
@click.option("--count", default=20, type=click.IntRange(min=1), help="Maximum number of images per annotation file.")
@click.option("--image-id", "image_ids", multiple=True, help="Draw this image; repeatable.")
@click.option("--class", "class_name", help="Draw images that contain an object of this class.")
@click.option("--random", "seed", type=int, metavar="SEED", help="Select images at random with this seed.")
def command(
    path: str,
    images: str | None,
    only: str,
    output: Path,
    overwrite: bool,
    count: int,
    image_ids: tuple[str, ...],
    class_name: str | None,
    seed: int | None,
) -> None:
    """Draw a dataset's annotations on its images.

    Draws boxes, masks, keypoints, semantic labels and panoptic segments.

    Writes one drawing per image, in one folder per annotation file. Images that cannot be drawn are reported and
    skipped; the exit code is then 1.

    \b
    Examples:
      detectory data show my_dataset/ --count 50
      detectory data show coco/annotations/instances_val2017.json --image-id 139 --image-id 285
      detectory data show voc_2007_trainval --class dog --random 1 --output dogs/
    """
    from detectory.cli.datasets.source_selection import select_records, select_sources
    from detectory.core.storage import OutputFiles
    from detectory.data.sources import load_source
    from detectory.engine.report.drawings import draw_annotations

    drawn = failed = 0
    outputs = OutputFiles(output, overwrite=overwrite)
    for source in select_sources(path, images, only):
        records, metadata = load_source(source)
        selected = select_records(records, metadata, count=count, image_ids=image_ids, class_name=class_name, seed=seed)
        folder = Path(source.path.stem + (f"_{source.split}" if source.format in ("voc", "yolo") else ""))
        with click.progressbar(selected, label=f"drawing {source}", file=sys.stderr) as bar:
            for record in bar:
                name = f"{record.get('image_id', '')}_{Path(record['file_name']).stem}".lstrip("_")
                try:
                    with outputs.replacing(str(folder / f"{name}.jpg")) as file:
                        draw_annotations(record, metadata).save(file)
                    drawn += 1
                except FileExistsError:
                    raise
                except (OSError, ValueError) as error:
                    failed += 1
                    click.echo(f"\n{error}", err=True)
    click.echo(f"{drawn} images: {output}/")
    if failed:
        raise click.ClickException(f"{failed} images could not be drawn")
    if not drawn:
        raise click.ClickException("no image matches the options")
