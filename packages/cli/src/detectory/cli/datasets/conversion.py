"""Conversion of annotation sources to folders in COCO, YOLO, Pascal VOC or LabelMe format."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from detectory.core.storage import atomic_write
from detectory.data.formats.coco.writer import write_coco
from detectory.data.formats.labelme.writer import write_labelme
from detectory.data.formats.layouts import Source
from detectory.data.formats.voc.writer import write_voc
from detectory.data.formats.yolo.writer import write_yolo
from detectory.data.images import image_size_of_file
from detectory.data.sources import load_source
from detectory.structures.records import DatasetRecord

#: Format -> image folder of a split, relative to the output folder.
_IMAGE_FOLDERS = {"coco": "{split}", "yolo": "images/{split}", "voc": "JPEGImages", "labelme": "{split}"}


def convert_to_file(source: Source, output: Path) -> Iterator[tuple[Source, str, int]]:
    """Write one source as a COCO JSON file with image names relative to their common folder.

    Yields:
        The source, its split, and the number of images.
    """
    records, metadata = load_source(source)
    completed = _with_ids_and_sizes(list(records), source)
    root = os.path.commonpath([os.path.dirname(record["file_name"]) for record in completed])
    names = list(metadata.get("thing_classes") or [])
    yield source, source.split or "train", write_coco(completed, names, output, root)


def convert_to_folder(
    sources: Sequence[Source], output: Path, target: str, *, image_files: str = "copy", polygons: bool = True
) -> Iterator[tuple[Source, str, int]]:
    """Write sources as the splits of one folder.

    Args:
        sources: Sources with the same classes.
        output: A new or empty folder.
        target: "coco", "yolo", "voc" or "labelme".
        image_files: "copy" or "link" the images, or "none".
        polygons: Write polygons instead of boxes (YOLO only).

    Yields:
        Each source, its split, and the number of images (COCO) or objects (other formats).

    Raises:
        FileExistsError: If the output folder is not empty.
        ValueError: If the sources have different classes, or records without objects.
    """
    loaded = [load_source(source) for source in sources]
    names = _shared_class_names([metadata for _, metadata in loaded], sources)
    if output.is_dir() and any(output.iterdir()):
        raise FileExistsError(f"{output}: the folder is not empty")
    for (records, _), source in zip(loaded, sources, strict=True):
        split = source.split or "train"
        completed = _with_ids_and_sizes(list(records), source)
        folder = output / _IMAGE_FOLDERS[target].format(split=split)
        files = _unique_names(completed)
        _transfer_images(completed, files, folder, image_files)
        if target == "yolo":
            count = write_yolo(completed, files, output / "labels" / split, polygons=polygons)
        elif target == "voc":
            count = write_voc(completed, files, names, output, split)
        elif target == "labelme":
            count = write_labelme(completed, files, names, folder)
        else:
            moved = [{**record, "file_name": str(folder / file)} for record, file in zip(completed, files, strict=True)]
            annotations = output / "annotations" / f"instances_{split}.json"
            annotations.parent.mkdir(parents=True, exist_ok=True)
            count = write_coco(moved, names, annotations, folder)
        yield source, split, count
    if target == "yolo":
        _write_yolo_config(output, names, [source.split or "train" for source in sources])


def _shared_class_names(metadatas: Sequence[Any], sources: Sequence[Source]) -> list[str]:
    names = list(metadatas[0].get("thing_classes") or [])
    for metadata, source in zip(metadatas, sources, strict=True):
        if list(metadata.get("thing_classes") or []) != names:
            raise ValueError(
                f"{source}: classes differ from those of {sources[0]}. Use --only to convert one at a time"
            )
    return names


def _with_ids_and_sizes(records: list[DatasetRecord], source: Source) -> list[DatasetRecord]:
    """Add missing image sizes, and ids 1, 2, … if the ids are not integers (Pascal VOC's are file names)."""
    has_integer_ids = all(isinstance(record.get("image_id"), int) for record in records)
    for image_id, record in enumerate(records, start=1):
        if "annotations" not in record:
            raise ValueError(f"{source}: only object annotations can be converted, got records with segments only")
        if not has_integer_ids:
            record["image_id"] = image_id
        if "height" not in record or "width" not in record:
            record["height"], record["width"] = image_size_of_file(record["file_name"])
    return records


def _unique_names(records: Sequence[DatasetRecord]) -> list[str]:
    """Return file names without folders; equal stems are prefixed with the folder name, or else with the image id."""
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


def _transfer_images(records: Sequence[DatasetRecord], files: Sequence[str], folder: Path, image_files: str) -> None:
    if image_files == "none":
        return
    folder.mkdir(parents=True, exist_ok=True)
    for record, file in zip(records, files, strict=True):
        source = Path(record["file_name"]).resolve()
        if not source.is_file():
            raise FileNotFoundError(f"{record['file_name']}: no such image. --image-files none converts without images")
        if image_files == "link":
            (folder / file).symlink_to(source)
        else:
            shutil.copyfile(source, folder / file)


def _write_yolo_config(output: Path, names: Sequence[str], splits: Sequence[str]) -> None:
    """Write data.yaml with the image folders and class names."""
    lines = [f"{json.dumps(split)}: images/{split}" for split in dict.fromkeys(splits)]
    lines += ["names:", *(f"  {index}: {json.dumps(name, ensure_ascii=False)}" for index, name in enumerate(names))]
    with atomic_write(output / "data.yaml") as file:
        file.write(("path: .\n" + "\n".join(lines) + "\n").encode())
