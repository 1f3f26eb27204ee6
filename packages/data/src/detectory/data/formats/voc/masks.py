"""Masks of Pascal VOC's segmentation: `SegmentationObject` and `SegmentationClass`.

Source: M. Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit", section 3.4. CVAT's
"Segmentation mask 1.1" has the same folders, with colors and `labelmap.txt`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detectory.data.formats.annotations import mask_annotation
from detectory.data.formats.coco.reader import LoadedDataset
from detectory.data.formats.coco.rle import encode_mask
from detectory.data.formats.image_records import image_record, with_image_suffix
from detectory.data.formats.report import ConversionReport
from detectory.data.metadata.voc import VOC_CLASSES
from detectory.data.problems import DatasetError, Problem
from detectory.structures import BoxMode
from detectory.structures.records import DatasetRecord

_VOID = 255
_MIN_IOU = 0.3


def add_voc_masks(records: Sequence[DatasetRecord], folder: Path, report: ConversionReport) -> None:
    """Add the masks in `SegmentationObject` to the objects of the XML files, in place.

    Mask number i belongs to object i of the XML file. If their boxes differ, the object with the most similar box is
    used, and a mask without such an object is skipped.
    """
    for record in records:
        file = folder / "SegmentationObject" / f"{Path(record['file_name']).stem}.png"
        if not file.is_file():
            continue
        ids, annotations = _indices(file), record["annotations"]
        boxes = [BoxMode.convert(list(a["bbox"]), a["bbox_mode"], BoxMode.XYXY_ABS) for a in annotations]
        free = set(range(len(annotations)))
        for number in np.unique(ids[(ids != 0) & (ids != _VOID)]).tolist():
            mask = ids == number
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            around = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            candidates = sorted(free, key=lambda index: (index != number - 1, -_iou(boxes[index], around)))
            match = next((index for index in candidates if _iou(boxes[index], around) >= _MIN_IOU), None)
            if match is None:
                report.skip("a mask in SegmentationObject has no object in the XML file", f"{file}: {number}")
                continue
            free.discard(match)
            annotations[match]["segmentation"] = encode_mask(mask)


def load_voc_masks(folder: Path, list_file: Path | None, report: ConversionReport) -> LoadedDataset:
    """Read a folder with `SegmentationObject` and `SegmentationClass`, and without XML files.

    Classes are those of `labelmap.txt`, otherwise those of Pascal VOC.

    Args:
        folder: The folder, with the images in `JPEGImages`.
        list_file: A list of image names; None for all masks.
        report: Counts the objects.

    Raises:
        DatasetError: If a file is not readable, or a color of `SegmentationClass` has no class.
    """
    colors = _label_map(folder / "labelmap.txt")
    names = [name for name in colors if name != "background"]
    files = sorted((folder / "SegmentationObject").glob("*.png"))
    if list_file is not None:
        listed = list_file.read_text(encoding="utf-8-sig").split("\n")
        files = [folder / "SegmentationObject" / f"{line.strip()}.png" for line in listed if line.strip()]
    records: list[DatasetRecord] = []
    for file in files:
        ids, classes = _indices(file), _colors(folder / "SegmentationClass" / file.name)
        if ids.shape != classes.shape[:2]:
            message = f"{ids.shape[1]} x {ids.shape[0]} pixels, but SegmentationClass has {classes.shape[:2][::-1]}"
            raise DatasetError(Problem(str(file), "", "", message))
        annotations = []
        for number in np.unique(ids[(ids != 0) & (ids != _VOID)]).tolist():
            mask = ids == number
            color = _most_frequent(classes[mask])
            name = next((name for name in names if colors[name] == color), None)
            if name is None:
                message = f"color {color} of object {number} has no class in labelmap.txt"
                raise DatasetError(Problem(str(folder / "SegmentationClass" / file.name), "", "", message))
            annotation = mask_annotation(names.index(name), mask)
            assert annotation is not None
            annotations.append(annotation)
            report.keep()
        image = with_image_suffix(folder / "JPEGImages", file.stem)
        records.append(image_record(image, len(records) + 1, (ids.shape[0], ids.shape[1]), annotations))
    return LoadedDataset(records, {"thing_classes": names})


def _indices(file: Path) -> np.ndarray:
    """Return the object numbers: the indices of a palette, grey values, or the positions of colors in VOC's palette."""
    try:
        with Image.open(file) as image:
            if image.mode in ("P", "L", "I", "I;16"):
                return np.asarray(image)
            colors = np.asarray(image.convert("RGB")).astype(np.int64)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(Problem(str(file), "", "", f"not a readable mask: {error}")) from error
    values, numbers = np.unique(colors @ [65536, 256, 1], return_inverse=True)
    known = {int(color @ [65536, 256, 1]): index for index, color in enumerate(voc_palette())}
    # Colors beyond the palette are other objects.
    indices = [known.get(value, 256 + position) for position, value in enumerate(values.tolist())]
    return np.asarray(indices)[numbers].reshape(colors.shape[:2])


def _colors(file: Path) -> np.ndarray:
    try:
        with Image.open(file) as image:
            if image.mode == "L":
                return voc_palette()[np.asarray(image)]
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(Problem(str(file), "", "", f"not a readable mask: {error}")) from error


def voc_palette() -> np.ndarray:
    """Return VOC's 256 colors, shape (256, 3): the bits of the index, distributed to the channels from the top bit."""
    index = np.arange(256)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((index >> channel) & 1) << (7 - bit)).astype(np.uint8)
        index = index >> 3
    return palette


def _label_map(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the color per class name. Lines of the file are `name:red,green,blue:parts:actions`."""
    if not file.is_file():
        return {name: tuple(voc_palette()[index].tolist()) for index, name in enumerate(VOC_CLASSES, start=1)}
    colors = {}
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, *fields = line.split(":")
        try:
            colors[name] = tuple(int(value) for value in fields[0].split(","))
        except (ValueError, IndexError) as error:
            raise DatasetError(Problem(str(file), f"line {number}", "", "must be name:red,green,blue::")) from error
    return colors


def _most_frequent(colors: np.ndarray) -> tuple[int, ...]:
    values, counts = np.unique(colors, axis=0, return_counts=True)
    return tuple(values[counts.argmax()].tolist())


def _iou(box: Sequence[Any], other: Sequence[Any]) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    intersection = max(width, 0) * max(height, 0)
    union = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)) - intersection
    return float(intersection / union) if union > 0 else 0.0
