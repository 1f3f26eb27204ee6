"""Writing of datasets as folders in COCO, YOLO, Pascal VOC or LabelMe format, and as COCO files."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from detectory.core.storage import record_files, staged_folder
from detectory.data.combination import union_of_classes, union_of_ids, with_classes, with_new_ids
from detectory.data.formats import ConversionReport
from detectory.data.formats.coco.categories import KEYPOINT_KEYS
from detectory.data.formats.coco.writer import write_coco
from detectory.data.formats.dota.writer import write_dota
from detectory.data.formats.labelme.writer import write_labelme
from detectory.data.formats.layouts import Source
from detectory.data.formats.voc.writer import write_voc
from detectory.data.formats.yolo.writer import write_yolo, write_yolo_config, yolo_label_type
from detectory.data.images import image_size_of_file
from detectory.data.sources import load_source

#: Format -> image folder of a split, relative to the output folder.
_IMAGE_FOLDERS = {
    "coco": "{split}",
    "yolo": "images/{split}",
    "voc": "JPEGImages",
    "labelme": "{split}",
    "dota": "{split}/images",
}


@dataclass
class SplitRecords:
    """The records of one split, and the account of their objects.

    Attributes:
        name: The name of the split.
        origin: What the records were read from, for messages.
        records: Records with ids and sizes.
        class_names: The classes of the records.
        category_ids: The category id per class name, if the format has such ids.
        keypoints: Names, flip pairs and skeleton of the keypoints, see `keypoint_metadata`.
        read: The objects that the reader kept and skipped.
        written: The objects that the writer kept, changed and skipped.
    """

    name: str
    origin: str
    records: list[dict[str, Any]]
    class_names: list[str]
    category_ids: dict[str, int | str] = field(default_factory=dict)
    keypoints: dict[str, Any] = field(default_factory=dict)
    read: ConversionReport = field(default_factory=ConversionReport)
    written: ConversionReport = field(default_factory=ConversionReport)

    @property
    def needs_decision(self) -> bool:
        """Whether objects are missing in the output for a reason that the output format does not imply."""
        return self.read.needs_decision or self.written.needs_decision


def load_split(source: Source) -> SplitRecords:
    """Read a source.

    Raises:
        ValueError: If the source contains records without object annotations.
    """
    report = ConversionReport()
    records, metadata = load_source(source, report)
    names = list(metadata.get("thing_classes") or [])
    # The ids of YOLO and Datumaro are positions from 0; COCO files usually start at 1.
    has_ids = source.format in ("coco", "lvis", "registered")
    indices = (metadata.get("thing_dataset_id_to_contiguous_id") or {}) if has_ids else {}
    return SplitRecords(
        source.split or "train",
        str(source),
        _with_ids_and_sizes(records, source),
        names,
        {names[index]: category for category, index in indices.items()},
        {key: metadata.get(key) for key in KEYPOINT_KEYS if metadata.get(key)},
        report,
    )


def combine(splits: Sequence[SplitRecords], origin: str) -> SplitRecords:
    """Return one split with the records of several splits, new image ids and the union of the classes.

    Images are named relative to the folder of their split. If there are several splits, the names start with the name
    of that folder, numbered if several folders have the same name.
    """
    names = union_of_classes([split.class_names for split in splits])
    records: list[dict[str, Any]] = []
    taken: set[str] = set()
    read = ConversionReport()
    for split in splits:
        prefix = _unused(Path(_common_folder(split.records)).name or "images", taken) if len(splits) > 1 else ""
        files = _relative_names(split.records)
        converted = with_classes(split.records, split.class_names, names)
        records += [
            {**record, "output_name": (Path(prefix) / file).as_posix()}
            for record, file in zip(converted, files, strict=True)
        ]
        read.add(split.read)
    ids = dict(zip(names, union_of_ids(names, [split.category_ids for split in splits]), strict=True))
    keypoints = next((split.keypoints for split in splits if split.keypoints), {})
    return SplitRecords(splits[0].name, origin, with_new_ids(records), names, ids, keypoints, read)


def _unused(name: str, taken: set[str]) -> str:
    """Return a name that is not in `taken`, with a number if necessary, and add it."""
    number, unused = 1, name
    while unused in taken:
        number += 1
        unused = f"{name}_{number}"
    taken.add(unused)
    return unused


def write_file(split: SplitRecords, output: Path) -> None:
    """Write a split as a COCO file with image names relative to their common folder.

    Raises:
        FileExistsError: If the file exists.
    """
    if output.exists():
        raise FileExistsError(f"{output}: the file exists")
    root = _common_folder(split.records)
    split.written.keep(_num_objects(split))
    ids = union_of_ids(split.class_names, [split.category_ids])
    write_coco(split.records, split.class_names, output, root, category_ids=ids, keypoints=split.keypoints)


def write_folder(
    splits: Sequence[SplitRecords],
    output: Path,
    target: str,
    *,
    image_files: str = "copy",
    polygons: bool = True,
    overwrite: bool = False,
) -> None:
    """Write the splits of a dataset to one folder. Classes are the union of the classes of the splits, by name.

    The folder is written under a temporary name and appears when it is complete, see `staged_folder`.

    Args:
        splits: Splits with different names.
        output: A new or empty folder.
        target: "coco", "yolo", "voc", "labelme" or "dota".
        image_files: "copy" or "link" the images, or "none".
        polygons: Write polygons instead of boxes (YOLO only).
        overwrite: Replace a folder that this function has written and that is unchanged since.

    Raises:
        FileExistsError: If the output is a file or a folder that is not empty or may not be replaced.
        ValueError: If several splits have the same name.
    """
    _check_names(splits)
    names = union_of_classes([split.class_names for split in splits])
    for split in splits:
        split.records = with_classes(split.records, split.class_names, names)
        split.class_names = names
    if overwrite:
        check_inputs_outside(output, (record["file_name"] for split in splits for record in split.records))
    with staged_folder(output, overwrite=overwrite) as staged:
        _write_splits(splits, staged, target, image_files, polygons)
        record_files(staged)


def check_inputs_outside(output: Path, inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Check that no input is in the output folder, which is replaced.

    Raises:
        FileExistsError: If an input is in the folder.
    """
    folder = output.resolve()
    for path in inputs:
        if Path(path).resolve().is_relative_to(folder):
            raise FileExistsError(f"{output}: the folder contains the input {path}. Choose another output")


def _write_splits(splits: Sequence[SplitRecords], output: Path, target: str, image_files: str, polygons: bool) -> None:
    names = splits[0].class_names
    ids = union_of_ids(names, [split.category_ids for split in splits])
    keypoints = next((split.keypoints for split in splits if split.keypoints), {})
    keypoint_shape, is_rotated = yolo_label_type([record for split in splits for record in split.records])
    taken: set[str] = set()
    for split in splits:
        folder = output / _IMAGE_FOLDERS[target].format(split=split.name)
        files = _flat_names(split, taken) if target == "voc" else _relative_names(split.records)
        _transfer_images(split.records, files, folder, image_files)
        if target == "yolo":
            write_yolo(
                split.records,
                files,
                output / "labels" / split.name,
                polygons=polygons,
                keypoint_shape=keypoint_shape,
                is_rotated=is_rotated,
                report=split.written,
            )
        elif target == "voc":
            write_voc(split.records, files, names, output, split.name, split.written)
        elif target == "labelme":
            write_labelme(split.records, files, names, folder, split.written)
        elif target == "dota":
            write_dota(split.records, files, names, output / split.name / "labelTxt", split.written)
        else:
            split.written.keep(_num_objects(split))
            moved = [
                {**record, "file_name": str(folder / file)} for record, file in zip(split.records, files, strict=True)
            ]
            annotations = output / "annotations" / f"instances_{split.name}.json"
            annotations.parent.mkdir(parents=True, exist_ok=True)
            write_coco(moved, names, annotations, folder, category_ids=ids, keypoints=keypoints)
    if target == "yolo":
        split_names = [split.name for split in splits]
        write_yolo_config(
            output, names, split_names, keypoint_shape=keypoint_shape, keypoints=keypoints, is_rotated=is_rotated
        )


def print_split(split: SplitRecords, output: Path, target: str) -> None:
    """Print how many images and objects were read and written, and what was skipped or changed, with reasons."""
    read, written = split.read.lines(), split.written.lines()
    images = "1 image" if len(split.records) == 1 else f"{len(split.records)} images"
    click.echo(f"{split.origin}: {images}, {read[0]}")
    for line in read[1:]:
        click.echo(f"  {line}")
    click.echo(f"  -> {output} ({target}, {split.name}): {written[0]}")
    for line in written[1:]:
        click.echo(f"  {line}")


def exit_if_undecided(splits: Sequence[SplitRecords], skip_objects: bool) -> None:
    """Exit with code 1 if objects are missing in the output and the user has not accepted it."""
    count = sum(
        number
        for split in splits
        for report in (split.read, split.written)
        for reason, number in report.skipped.items()
        if reason not in report.expected
    )
    if count and not skip_objects:
        raise click.ClickException(f"{count} objects are missing in the output. Use --skip-objects to accept this")


def _check_names(splits: Sequence[SplitRecords]) -> None:
    seen: dict[str, str] = {}
    for split in splits:
        if split.name in seen:
            raise ValueError(
                f"{seen[split.name]} and {split.origin} are both the split {split.name!r}. Use --only to choose one"
            )
        seen[split.name] = split.origin


def _num_objects(split: SplitRecords) -> int:
    return sum(len(record["annotations"]) for record in split.records)


def _with_ids_and_sizes(records: Sequence[Mapping[str, Any]], source: Source) -> list[dict[str, Any]]:
    """Add missing image sizes, and ids 1, 2, … if the ids are not integers (Pascal VOC's are file names)."""
    completed = [dict(record) for record in records]
    has_integer_ids = all(isinstance(record.get("image_id"), int) for record in completed)
    for image_id, record in enumerate(completed, start=1):
        if "annotations" not in record:
            raise ValueError(f"{source}: only object annotations can be converted, got records with segments only")
        if not has_integer_ids:
            record["image_id"] = image_id
        if "height" not in record or "width" not in record:
            record["height"], record["width"] = image_size_of_file(record["file_name"])
    return completed


def _common_folder(records: Sequence[Mapping[str, Any]]) -> str:
    return os.path.commonpath([os.path.dirname(os.path.abspath(record["file_name"])) for record in records] or ["."])


def _relative_names(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return file names relative to the common folder. Equal names but for the suffix are prefixed with the image id,
    because formats with one annotation file per image do not distinguish them.
    """
    if all("output_name" in record for record in records):
        return [record["output_name"] for record in records]
    root = _common_folder(records)
    names: list[str] = []
    stems: set[str] = set()
    for record in records:
        name = Path(os.path.relpath(os.path.abspath(record["file_name"]), root))
        if str(name.with_suffix("")) in stems:
            name = name.with_name(f"{record['image_id']}_{name.name}")
        stems.add(str(name.with_suffix("")))
        names.append(name.as_posix())
    return names


def _flat_names(split: SplitRecords, taken: set[str]) -> list[str]:
    """Return file names without folders; equal stems, of other splits too, are prefixed with the folder or the id."""
    names: list[str] = []
    for record in split.records:
        path = Path(record["file_name"])
        candidates = (
            path.name,
            f"{path.parent.name}_{path.name}",
            f"{split.name}_{record['image_id']}_{path.name}",
        )
        name = next((name for name in candidates if Path(name).stem not in taken), candidates[-1])
        taken.add(Path(name).stem)
        names.append(name)
    return names


def _transfer_images(
    records: Sequence[Mapping[str, Any]], files: Sequence[str], folder: Path, image_files: str
) -> None:
    if image_files == "none":
        return
    folder.mkdir(parents=True, exist_ok=True)
    for record, file in zip(records, files, strict=True):
        source = Path(record["file_name"]).resolve()
        if not source.is_file():
            raise FileNotFoundError(f"{record['file_name']}: no such image. --image-files none converts without images")
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        if image_files == "link":
            (folder / file).symlink_to(source)
        else:
            shutil.copyfile(source, folder / file)
