"""Validation of panoptic PNG files: their type, and their pixels in comparison with the segments of the annotation."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detectory.data.formats.panoptic.png import read_panoptic_png
from detectory.data.images.errors import ImageReadError
from detectory.data.problems import Problem

from .image_files import ImageReference, image_file_problems

_BOX_TOLERANCE = 1


def segment_file_problems(
    png: Path, segments: Sequence[Mapping[str, Any]], with_pixels: bool, reference: ImageReference
) -> Iterator[Problem]:
    """Yield the problems of a PNG file.

    Args:
        png: The file.
        segments: The valid segments of the annotation.
        with_pixels: Whether to compare the pixels with the segments. Otherwise only the header is read.
        reference: The annotation.
    """
    problems = list(image_file_problems(png, False, reference))
    yield from problems
    if any(problem.rule != "image-size" for problem in problems):
        return
    with Image.open(png) as image:
        mode = image.mode
    if mode != "RGB":
        message = f"{png} must be an RGB image, got the mode {mode!r}"
        yield Problem(reference.file, reference.place, reference.name_field, message, "segment-file-mode", mode)
        return
    if not with_pixels or problems:
        return
    try:
        ids = read_panoptic_png(png)
    except (ImageReadError, OSError) as error:
        yield Problem(str(png), reference.place, "", str(error).removeprefix(f"{png}: "), "damaged-image")
        return
    yield from _pixel_problems(ids, segments, png, reference)


def _pixel_problems(
    ids: np.ndarray, segments: Sequence[Mapping[str, Any]], png: Path, reference: ImageReference
) -> Iterator[Problem]:
    """Compare the ids in a PNG file with the segments of its annotation."""
    name, place = reference.file, reference.place
    values, counts = np.unique(ids, return_counts=True)
    pixels_of = dict(zip(values.tolist(), counts.tolist(), strict=True))
    pixels_of.pop(0, None)  # unlabelled pixels
    for segment in segments:
        pixels = pixels_of.pop(segment["id"], None)
        if pixels is None:
            message = f"segment {segment['id']} has no pixels in {png}"
            yield Problem(name, place, "segments_info.id", message, "segment-without-pixels", segment["id"])
            continue
        if "area" in segment and segment["area"] != pixels:
            message = f"segment {segment['id']} has area {segment['area']!r}, but {pixels} pixels in {png}"
            yield Problem(name, place, "segments_info.area", message, "segment-area", segment["area"])
        if "bbox" in segment and _differs(segment["bbox"], box := _box(ids == segment["id"])):
            message = f"segment {segment['id']} has box {segment['bbox']!r}, but its pixels in {png} cover {box}"
            yield Problem(name, place, "segments_info.bbox", message, "segment-box", segment["bbox"])
    for value, pixels in pixels_of.items():
        message = f"{pixels} pixels in {png} have the id {value}, which is not in segments_info"
        yield Problem(name, place, "segments_info.id", message, "pixels-without-segment", value)


def _box(mask: np.ndarray) -> list[int]:
    """Return the box `[x, y, width, height]` around the pixels of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]


def _differs(stored: Any, box: Sequence[int]) -> bool:
    is_box = isinstance(stored, list) and len(stored) == 4 and all(isinstance(value, (int, float)) for value in stored)
    return not is_box or any(abs(a - b) > _BOX_TOLERANCE for a, b in zip(stored, box, strict=True))
