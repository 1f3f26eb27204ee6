"""Reader of LabelMe's format: one JSON file of shapes per image."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detectory import structures
from detectory.data.formats.annotations import mask_annotation, polygon_annotation, rotated_annotation, rotated_corners
from detectory.data.formats.file_names import file_name_problem, portable_name
from detectory.data.formats.json_file import read_json
from detectory.data.formats.report import ConversionReport
from detectory.data.images.folders import files_below
from detectory.data.images.reading import image_size_of_file
from detectory.data.problems import DatasetError, Problem
from detectory.structures.records import Annotation, DatasetRecord

from .shapes import SHAPES_WITHOUT_AREA, Outline, shape_outline

#: Names of folders that contain LabelMe files and no images.
LABEL_FOLDERS = ("labels", "annotations", "json", "jsons", "label")


def load_labelme(
    folder: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
    ignore: Sequence[Path] = (),
    report: ConversionReport | None = None,
) -> tuple[list[DatasetRecord], list[str]]:
    """Read LabelMe files. Images are read only if their size is missing in the JSON file.

    Polygons, rectangles, circles (as polygons with 32 corners), masks and rotated boxes become objects. Points and
    lines have no area and are skipped. Shapes with the same label and `group_id` form one object.

    Args:
        folder: A folder with a JSON file per image, in subfolders too.
        class_names: The class names in the order of the class ids; by default all labels, sorted.
        ignore: JSON files in the folder that are not LabelMe files.
        report: Counts the objects.

    Returns:
        Records in the standard format with image ids from 1, and the class names.

    Raises:
        FileNotFoundError: If the folder contains no JSON files.
        DatasetError: If a file is invalid. The message contains file, shape and field.
    """
    root, ignored = Path(folder), {path.resolve() for path in ignore}
    files = [file for file in files_below(root, "*.json") if file.resolve() not in ignored]
    if not files:
        raise FileNotFoundError(f"load_labelme: no *.json files in {root}")
    report = report if report is not None else ConversionReport()
    contents = [(file, read_labelme_file(file)) for file in files]
    names = sorted({shape["label"] for _, content in contents for shape in content["shapes"] if _has_area(shape)})
    names = names if class_names is None else list(class_names)
    records: list[DatasetRecord] = []
    for file, content in contents:
        path = image_path(file, content)
        height, width = content.get("imageHeight"), content.get("imageWidth")
        if not height or not width:
            height, width = image_size_of_file(path)
        annotations = []
        for item in labelme_objects(content, file, names, report):
            if isinstance(item, Problem):
                raise DatasetError(item)
            annotation = item.annotation(names.index(item.label), int(height), int(width))
            if annotation is None:
                report.skip("empty mask", f"{file}: {item.place}")
                continue
            annotations.append(annotation)
            report.keep()
        records.append(
            {
                "file_name": str(path),
                "image_id": len(records) + 1,
                "height": int(height),
                "width": int(width),
                "annotations": annotations,
            }
        )
    return records, names


def _has_area(shape: Mapping[str, Any]) -> bool:
    return shape.get("shape_type") not in SHAPES_WITHOUT_AREA


@dataclass
class LabelmeObject:
    """One object: one shape, or several shapes with the same `group_id`.

    Attributes:
        label: The class name.
        place: The first shape, for messages.
        outlines: The areas of the shapes.
        is_difficult: Whether the flag `difficult` of a shape is set.
    """

    label: str
    place: str
    outlines: list[Outline] = field(default_factory=list)
    is_difficult: bool = False

    @property
    def polygons(self) -> list[list[float]]:
        """The outline of every shape; of masks, the box of the shape."""
        return [outline.corners for outline in self.outlines]

    def annotation(self, category: int, height: int, width: int) -> Annotation | None:
        """Return the annotation in the standard format, or None if a mask has no pixels in the image."""
        rotated = [outline.rotated for outline in self.outlines if outline.rotated is not None]
        polygons = [outline.polygon for outline in self.outlines if outline.polygon is not None]
        annotation: Annotation | None
        if rotated and len(self.outlines) == 1:
            annotation = rotated_annotation(category, rotated[0])
            return self._marked(annotation)
        polygons += [rotated_corners(box) for box in rotated]
        if len(polygons) == len(self.outlines):
            annotation = polygon_annotation(category, polygons)
        else:
            outlines = [np.asarray(polygon) for polygon in polygons]
            mask = np.zeros((height, width), dtype=bool)
            if polygons:
                mask = structures.polygons_to_bitmask(outlines, height, width)
            mask = np.asarray(mask) != 0
            for outline in self.outlines:
                if outline.mask is not None:
                    _paste(mask, *outline.mask)
            annotation = mask_annotation(category, mask)
        return self._marked(annotation)

    def _marked(self, annotation: Annotation | None) -> Annotation | None:
        if annotation is not None and self.is_difficult:
            annotation["difficult"] = 1  # type: ignore[typeddict-unknown-key]
        return annotation


def _paste(mask: np.ndarray, x: int, y: int, pixels: np.ndarray) -> None:
    """Set the pixels of a mask at a position; parts outside the image are clipped."""
    top, left = max(0, -y), max(0, -x)
    y, x = max(0, y), max(0, x)
    part = pixels[top : top + mask.shape[0] - y, left : left + mask.shape[1] - x]
    mask[y : y + part.shape[0], x : x + part.shape[1]] |= part


def read_labelme_file(file: Path) -> dict[str, Any]:
    """Read a LabelMe file and check that it has an image path and a label per shape.

    Raises:
        DatasetError: If the file is invalid.
    """
    content = read_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        message = "not a LabelMe file: expected an object with a list 'shapes'"
        raise DatasetError(Problem(str(file), "", "shapes", message))
    name = content.get("imagePath")
    if isinstance(name, str) and _image_name_problem(name):
        # Paths on the annotator's computer: only the name of the image is used.
        name = content["imagePath"] = portable_name(name).rpartition("/")[2]
    name_problem = _image_name_problem(name)
    if name_problem:
        raise DatasetError(Problem(str(file), "", "imagePath", name_problem))
    for index, shape in enumerate(content["shapes"]):
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            message = "missing: every shape must be an object with a string 'label'"
            raise DatasetError(Problem(str(file), f"shape {index}", "label", message))
    return content


def _image_name_problem(name: Any) -> str | None:
    """Check `imagePath`, which may start with `../`: LabelMe's output folder may be a sibling of the image folder."""
    if not isinstance(name, str):
        return file_name_problem(name)
    return file_name_problem(portable_name(name).removeprefix("../"))


def image_path(file: Path, content: Mapping[str, Any]) -> Path:
    """Return the path of the image of a LabelMe file, which may not exist.

    If `imagePath` does not exist, the image is looked for next to the JSON file, and, for files in a folder of
    labels, in a folder `images` next to that folder.
    """
    name = portable_name(content["imagePath"])
    candidates = [file.parent / name, file.parent / Path(name).name]
    if file.parent.name.lower() in LABEL_FOLDERS:
        candidates.append(file.parent.parent / "images" / Path(name).name)
    path = next((path for path in candidates if path.is_file()), candidates[0])
    return Path(os.path.normpath(path)) if ".." in path.parts else path


def labelme_objects(
    content: Mapping[str, Any],
    file: Path,
    names: Sequence[str] | None,
    report: ConversionReport | None = None,
    skips_unknown: bool = True,
) -> Iterator[LabelmeObject | Problem]:
    """Yield the objects of a file, or a problem per invalid shape.

    Args:
        content: The content from `read_labelme_file`.
        file: The file, for messages.
        names: The class names; None accepts all labels.
        report: Counts the skipped shapes: those without an area, and those of unknown types.
        skips_unknown: Whether shapes of unknown types are skipped. Otherwise they are problems.
    """
    groups: dict[tuple[str, Any], LabelmeObject] = {}
    for index, shape in enumerate(content["shapes"]):
        label, place = shape["label"], f"shape {index}"
        if not _has_area(shape):
            if report is not None:
                report.skip(f"shape type {shape['shape_type']!r} has no area", f"{file}: {place}")
            continue
        if names is not None and label not in names:
            yield Problem(str(file), place, "label", f"must be one of the classes {list(names)}, got {label!r}")
            continue
        outline = shape_outline(shape)
        if isinstance(outline, str) and outline.startswith("shape type") and skips_unknown:
            if report is not None:
                report.skip(outline, f"{file}: {place}")
            continue
        if isinstance(outline, str):
            field_name = "shape_type" if outline.startswith("shape type") else "points"
            yield Problem(str(file), place, field_name, outline)
            continue
        group = shape.get("group_id")
        key = (label, group) if group is not None else (label, ("shape", index))
        item = groups.setdefault(key, LabelmeObject(label, place))
        item.outlines.append(outline)
        item.is_difficult |= isinstance(shape.get("flags"), dict) and bool(shape["flags"].get("difficult"))
    yield from groups.values()
