"""The problems of annotation files in COCO's panoptic format, and of their PNG files."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detectory.data.formats.coco.problems import duplicate_problems, file_problems, image_problems
from detectory.data.formats.panoptic.png import read_panoptic_png
from detectory.data.formats.panoptic.reader import panoptic_category_problems, panoptic_problems
from detectory.data.formats.sources import Source, panoptic_folders
from detectory.data.images.reading import ImageReadError
from detectory.data.problems import Problem

from .image_files import image_file_problems


def panoptic_file_problems(
    source: Source, content: Any, decode: bool, advance: Callable[[int, int], None]
) -> Iterator[Problem]:
    """Yield the problems of one panoptic annotation file, of its photos and of its PNG files."""
    name = str(source.path)
    structural = list(file_problems(content, name, ("images", "annotations", "categories")))
    yield from structural
    if structural:
        return
    images, annotations, categories = content["images"], content["annotations"], content["categories"]
    yield from duplicate_problems(images, name, "image")
    yield from duplicate_problems(categories, name, "category")
    for category in categories:
        yield from panoptic_category_problems(category, name)
    yield from panoptic_problems(content, name, {category["id"] for category in categories})
    bad_sizes = set()
    for image in images:
        problems = list(image_problems(image, name))
        yield from problems
        if problems:
            bad_sizes.add(image["id"])
    photos, segments = panoptic_folders(source, annotations)
    by_id = {image["id"]: image for image in images}
    for done, annotation in enumerate(annotations, start=1):
        image_id = annotation.get("image_id")
        image = by_id.get(image_id) if isinstance(image_id, (int, str)) else None
        place = f"annotation of image {image_id}"
        if image is None:
            yield Problem(name, place, "image_id", f"no image has the id {image_id!r}")
        elif not list(panoptic_problems({"annotations": [annotation]}, name, _any_category(annotation))):
            sizes = None if image["id"] in bad_sizes else image
            yield from _files_problems(annotation, sizes, name, place, photos, segments, decode)
        advance(done, len(annotations))


def _any_category(annotation: dict[str, Any]) -> set:
    """The categories that an annotation names: only its other problems matter where its files are looked at."""
    segments = annotation.get("segments_info")
    return (
        {one.get("category_id") for one in segments if isinstance(one, dict)} if isinstance(segments, list) else set()
    )


def _files_problems(
    annotation: dict[str, Any],
    image: dict[str, Any] | None,
    name: str,
    place: str,
    photos: Path,
    segments: Path,
    decode: bool,
) -> Iterator[Problem]:
    photo, png = photos / f"{Path(annotation['file_name']).stem}.jpg", segments / annotation["file_name"]
    yield from image_file_problems(photo, decode, image, name, place, ("file_name", "width, height"))
    bad = list(image_file_problems(png, False, image, name, place, ("file_name", "width, height")))
    yield from bad
    if not decode or bad:
        return
    try:
        ids = read_panoptic_png(png)
    except (ImageReadError, OSError) as error:
        yield Problem(str(png), place, "", str(error).removeprefix(f"{png}: "))
        return
    yield from _pixel_problems(ids, annotation["segments_info"], name, place, png)


def _pixel_problems(
    ids: np.ndarray, segments: list[dict[str, Any]], name: str, place: str, png: Path
) -> Iterator[Problem]:
    """Compare the ids in a PNG file with the segments that its annotation lists."""
    values, counts = np.unique(ids, return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    found.pop(0, None)
    for segment in segments:
        pixels = found.pop(segment["id"], None)
        if pixels is None:
            yield Problem(name, place, "segments_info.id", f"no pixel has the id {segment['id']}: {png}")
        elif "area" in segment and segment["area"] != pixels:
            message = f"segment {segment['id']} has {pixels} pixels, the record says {segment['area']!r}: {png}"
            yield Problem(name, place, "segments_info.area", message)
    for value, pixels in found.items():
        yield Problem(
            name, place, "segments_info.id", f"{pixels} pixels have the id {value}, which is not listed: {png}"
        )
