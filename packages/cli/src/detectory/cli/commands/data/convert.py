"""`detectory data convert`: conversion between COCO, YOLO, Pascal VOC and LabelMe formats."""

from pathlib import Path

import click

from detectory.cli.options import images_option, only_option

_TARGETS = ["coco", "yolo", "voc", "labelme"]


@click.command("convert")
@click.argument("path")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--to", "target", type=click.Choice(_TARGETS), default="coco", help="The output format.")
@images_option
@only_option
@click.option(
    "--image-files",
    type=click.Choice(["copy", "link", "none"]),
    default="copy",
    help="Copy the images to OUTPUT, create symbolic links, or write annotations only.",
)
@click.option("--boxes", is_flag=True, help="YOLO: write boxes instead of polygons.")
def command(path: str, output: Path, target: str, images: str | None, only: str, image_files: str, boxes: bool) -> None:
    """Convert a dataset to COCO, YOLO, Pascal VOC or LabelMe.

    OUTPUT is a new folder. If OUTPUT ends in .json and the dataset has one annotation file, a single COCO file is
    written, with file names relative to the image folder. Crowd annotations are kept in COCO format only. Pascal VOC
    annotations do not contain masks.

    \b
    Examples:
      detectory data convert yolo_dataset/ coco_dataset/
      detectory data convert VOC2007/ trainval.json --only trainval
      detectory data convert coco/annotations/instances_val2017.json yolo/ --to yolo --image-files link
    """
    from detectory.cli.datasets.conversion import convert_to_file, convert_to_folder
    from detectory.cli.datasets.source_selection import select_sources

    sources = select_sources(path, images, only)
    if output.suffix == ".json":
        if target != "coco" or len(sources) > 1:
            raise click.UsageError(
                f"{output}: a .json output needs --to coco and a single annotation file, got --to {target} and "
                f"{len(sources)} annotation files"
            )
        results = convert_to_file(sources[0], output)
    else:
        results = convert_to_folder(sources, output, target, image_files=image_files, polygons=not boxes)
    for source, split, count in results:
        noun = "images" if target == "coco" else "objects"
        click.echo(f"{source}: wrote {count} {noun} to {output} ({target}, {split})")
