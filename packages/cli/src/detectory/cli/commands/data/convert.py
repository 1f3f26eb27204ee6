"""`detectory data convert`: from any format to COCO, YOLO, Pascal VOC or LabelMe."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .stats import chosen_sources

_TARGETS = ["coco", "yolo", "voc", "labelme"]


@click.command("convert")
@click.argument("path")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--to", "target", type=click.Choice(_TARGETS), default="coco", help="The format of OUTPUT.")
@click.option("--images", type=click.Path(exists=True, file_okay=False), help="The folder of the images of JSON files.")
@click.option("--only", default="", help="Of several annotation files, those with this text in their name or split.")
@click.option(
    "--place",
    type=click.Choice(["copy", "link", "none"]),
    default="copy",
    help="Copy the images into OUTPUT, put symbolic links there, or write annotations only.",
)
@click.option("--boxes", is_flag=True, help="YOLO: write boxes only, no polygons.")
def command(path: str, output: Path, target: str, images: str | None, only: str, place: str, boxes: bool) -> None:
    """Convert a dataset of any known format and classes.

    OUTPUT becomes a folder that `detectory train --data` (COCO) or the other tool can use; where it ends in .json and
    the dataset has one annotation file, that COCO file alone is written, with image names relative to the images'
    folder. Crowds stay in COCO files only; Pascal VOC has no masks.

    \b
    Examples:
      detectory data convert yolo_dataset/ coco_dataset/
      detectory data convert VOC2007/ trainval.json --only trainval
      detectory data convert coco/annotations/instances_val2017.json yolo/ --to yolo --place link
    """
    from detectory.data.formats.convert import write_coco
    from detectory.data.formats.sources import load_source

    sources = chosen_sources(path, images, only)
    single = output.suffix == ".json"
    if single and (target != "coco" or len(sources) > 1):
        raise click.UsageError(f"{output}: one .json needs --to coco and one annotation file; found {len(sources)}")
    loaded = [load_source(source) for source in sources]
    names = _class_names([metadata for _, metadata in loaded], sources)
    if not single and output.is_dir() and any(output.iterdir()):
        raise FileExistsError(f"{output}: the folder is not empty")
    for (records, _), source in zip(loaded, sources, strict=True):
        numbered = _with_numbers(list(records))
        if any("annotations" not in record for record in numbered):
            raise ValueError(f"{source}: converts objects; these records have none, only segments of whole images")
        split = source.split or "train"
        if single:
            root = os.path.commonpath([os.path.dirname(record["file_name"]) for record in numbered])
            count, where = write_coco(numbered, names, output, root), output
        else:
            count = _write_folder(numbered, names, output, target, split, place, boxes)
            where = output
        click.echo(f"{source}: {count} {'images' if target == 'coco' else 'objects'} -> {where} ({target}, {split})")
    if target == "yolo" and not single:
        _write_yolo_names(output, names, [source.split or "train" for source in sources])


def _class_names(metadatas: Sequence[Any], sources: Sequence[Any]) -> list[str]:
    """The classes that all sources share, in one order."""
    names = list(metadatas[0].get("thing_classes") or [])
    for metadata, source in zip(metadatas, sources, strict=True):
        if list(metadata.get("thing_classes") or []) != names:
            raise ValueError(f"{source}: has other classes than {sources[0]}; convert them one by one with --only")
    return names


def _with_numbers(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give records without a number as id, as Pascal VOC's have none, the place in the order; sizes from the files."""
    from detectory.data.images.reading import image_size_of_file

    is_numbered = all(isinstance(record.get("image_id"), int) for record in records)
    for place, record in enumerate(records, start=1):
        if not is_numbered:
            record["image_id"] = place
        if "height" not in record or "width" not in record:
            record["height"], record["width"] = image_size_of_file(record["file_name"])
    return records


def _write_folder(
    records: list[dict[str, Any]], names: list[str], output: Path, target: str, split: str, place: str, boxes: bool
) -> int:
    """Write one split and its images; return the number of images (COCO) or objects."""
    from detectory.data.formats.convert import write_coco
    from detectory.data.formats.write_folders import write_labelme, write_voc, write_yolo

    folder = output / {"coco": split, "yolo": f"images/{split}", "voc": "JPEGImages", "labelme": split}[target]
    files = _unique_names(records)
    _place_images(records, files, folder, place)
    if target == "yolo":
        return write_yolo(records, files, output / "labels" / split, polygons=not boxes)
    if target == "voc":
        return write_voc(records, files, names, output, split)
    if target == "labelme":
        return write_labelme(records, files, names, folder)
    moved = [{**record, "file_name": str(folder / file)} for record, file in zip(records, files, strict=True)]
    annotations = output / "annotations" / f"instances_{split}.json"
    annotations.parent.mkdir(parents=True, exist_ok=True)
    return write_coco(moved, names, annotations, folder)


def _unique_names(records: Sequence[dict[str, Any]]) -> list[str]:
    """File names without folders; where stems meet, the folder joins the name."""
    names: list[str] = []
    stems: set[str] = set()
    for record in records:
        path = Path(record["file_name"])
        name = path.name if path.stem not in stems else f"{path.parent.name}_{path.name}"
        if Path(name).stem in stems:
            name = f"{record['image_id']}_{name}"
        stems.add(Path(name).stem)
        names.append(name)
    return names


def _place_images(records: Sequence[dict[str, Any]], files: Sequence[str], folder: Path, place: str) -> None:
    """Copy or link images into a folder."""
    if place == "none":
        return
    folder.mkdir(parents=True, exist_ok=True)
    for record, file in zip(records, files, strict=True):
        source = Path(record["file_name"]).resolve()
        if not source.is_file():
            raise FileNotFoundError(f"{record['file_name']}: no such image; --place none leaves images out")
        if place == "link":
            (folder / file).symlink_to(source)
        else:
            shutil.copyfile(source, folder / file)


def _write_yolo_names(output: Path, names: Sequence[str], splits: Sequence[str]) -> None:
    """Write data.yaml, which tells the classes and the folders of images."""
    import json

    from detectory.core.storage import atomic_write

    lines = [f"{json.dumps(split)}: images/{split}" for split in dict.fromkeys(splits)]
    lines += ["names:", *(f"  {number}: {json.dumps(name, ensure_ascii=False)}" for number, name in enumerate(names))]
    with atomic_write(output / "data.yaml") as file:
        file.write(("path: .\n" + "\n".join(lines) + "\n").encode())
