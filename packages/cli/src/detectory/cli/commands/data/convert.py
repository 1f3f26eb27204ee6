"""`detectory data convert`: conversion between COCO, YOLO, Pascal VOC and LabelMe formats."""

from pathlib import Path

import click

from detectory.cli.options import (
    image_files_option,
    images_option,
    only_option,
    overwrite_option,
    skip_objects_option,
    target_option,
)


@click.command("convert")
@click.argument("path")
@click.argument("output", type=click.Path(path_type=Path))
@target_option
@images_option
@only_option
@image_files_option
@click.option("--boxes", is_flag=True, help="YOLO: write boxes instead of polygons.")
@skip_objects_option
@overwrite_option
def command(
    path: str,
    output: Path,
    target: str,
    images: str | None,
    only: str,
    image_files: str,
    boxes: bool,
    skip_objects: bool,
    overwrite: bool,
) -> None:
    """Convert a dataset to COCO, YOLO, Pascal VOC or LabelMe.

    PATH is a dataset in any format that `detectory data check` reads, or the export of an annotation tool: CVAT,
    Roboflow, Label Studio, FiftyOne, Datumaro, VIA, or a CSV table. OUTPUT is a new folder; --overwrite replaces a
    folder that this command has written and that is unchanged since, never another one. If OUTPUT ends in .json and
    the dataset has one annotation file, a single COCO file is written, with file names relative to the image folder.

    Prints how many objects were read and written, and how many were changed or skipped for which reason. The exit code
    is 1 if objects are missing in OUTPUT for another reason than that the format has no crowd regions.

    \b
    Examples:
      detectory data convert yolo_dataset/ coco_dataset/
      detectory data convert VOC2007/ trainval.json --only trainval
      detectory data convert coco/annotations/instances_val2017.json yolo/ --to yolo --image-files link
    """
    from detectory.cli.datasets.conversion import (
        check_inputs_outside,
        exit_if_undecided,
        load_split,
        print_split,
        write_file,
        write_folder,
    )
    from detectory.cli.datasets.source_selection import select_sources
    from detectory.core.storage import OutputFiles

    outputs = OutputFiles(output.parent, overwrite=overwrite)
    if output.suffix == ".json":
        outputs.check([output.name])
    sources = select_sources(path, images, only)
    if output.suffix == ".json" and (target != "coco" or len(sources) > 1):
        raise click.UsageError(
            f"{output}: a .json output needs --to coco and a single annotation file, got --to {target} and "
            f"{len(sources)} annotation files"
        )
    if overwrite and output.suffix != ".json":
        check_inputs_outside(output, [part for source in sources for part in (source.path, source.images) if part])
    splits = [load_split(source) for source in sources]
    if output.suffix == ".json":
        with outputs.replacing(output.name) as file:
            write_file(splits[0], file)
        print_split(splits[0], output, target)
    else:
        write_folder(splits, output, target, image_files=image_files, polygons=not boxes, overwrite=overwrite)
        for split in splits:
            print_split(split, output, target)
    exit_if_undecided(splits, skip_objects)
