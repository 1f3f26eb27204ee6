"""The rules of COCO's annotation format: each function yields what breaks them."""

import itertools
import math
import re
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import pycocotools.mask

from detectory.core.text import short_repr
from detectory.data.problems import Problem

# Names without any of the characters by which one could leave a folder.
_PLAIN_NAME = re.compile(r"[\w-][\w .-]*(/[\w-][\w .-]*)*")
# Why an image of a size beyond this is no image but an attack or a slip.
MAX_SIDE = 1_000_000


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _are_numbers(values: Any) -> bool:
    """Whether all values are finite numbers; their sum tells it fastest."""
    try:
        return math.isfinite(sum(values)) and bool not in set(map(type, values))
    except (TypeError, OverflowError):
        return False


def is_id(value: Any) -> bool:
    """Whether a value can name an image, a category or an annotation."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def file_problems(
    content: Any, file: str, lists: tuple[str, ...] = ("images", "annotations", "categories")
) -> Iterator[Problem]:
    """Yield what keeps a file's content from being a COCO dataset at all."""
    if not isinstance(content, dict):
        yield Problem(file, "", "", f"no COCO file: expected a JSON object, got {type(content).__name__}")
        return
    for name in lists:
        if not isinstance(content.get(name), list):
            got = type(content[name]).__name__ if name in content else f"only {short_repr(sorted(content))}"
            yield Problem(file, "", name, f"no COCO file: expected a list {name!r}, got {got}")
            continue
        for number, record in enumerate(content[name]):
            if not isinstance(record, dict):
                yield Problem(file, f"{name}[{number}]", "", f"expected an object, got {short_repr(record)}")
            elif name != "annotations" and not is_id(record.get("id")):
                yield Problem(
                    file,
                    f"{name}[{number}]",
                    "id",
                    f"expected a number or a string, got {short_repr(record.get('id'))}",
                )


def first_problem(content: Any, file: str) -> Problem | None:
    """Return the first problem of a whole COCO dataset, None where it has none; files of images are not looked at."""
    for problem in file_problems(content, file):
        return problem
    images = {image["id"]: image for image in content["images"]}
    categories = {category["id"] for category in content["categories"]}
    problems = (
        *(duplicate_problems(content[f"{kind}s"], file, kind) for kind in ("image", "annotation")),
        *(image_problems(image, file, needs_file_name=False) for image in content["images"]),
        *(category_problems(category, file) for category in content["categories"]),
        *(annotation_problems(a, file, n, images, categories) for n, a in enumerate(content["annotations"])),
    )
    return next(itertools.chain.from_iterable(problems), None)


def duplicate_problems(records: list[dict], file: str, kind: str) -> Iterator[Problem]:
    """Yield the ids that appear twice."""
    seen = set()
    for record in records:
        if not is_id(record.get("id")):
            continue
        if record["id"] in seen:
            yield Problem(file, f"{kind} {record['id']}", "id", "this id appears more than once")
        seen.add(record["id"])


def category_problems(category: dict[str, Any], file: str) -> Iterator[Problem]:
    """Yield the problems of one category."""
    if not isinstance(category.get("name"), str):
        yield Problem(
            file, f"category {category['id']}", "name", f"expected text, got {short_repr(category.get('name'))}"
        )


def file_name_problem(file_name: Any) -> str | None:
    """Say why a file name must not be joined to a folder; None for a good one."""
    if isinstance(file_name, str) and _PLAIN_NAME.fullmatch(file_name):
        return None
    if not isinstance(file_name, str) or not file_name or "\0" in file_name:
        return f"expected a file name, got {short_repr(file_name)}"
    for path in (PurePosixPath(file_name), PureWindowsPath(file_name)):
        if path.is_absolute() or path.drive or ".." in path.parts:
            return f"the name must stay inside the folder of images, got {short_repr(file_name)}"
    return None


def image_problems(image: dict[str, Any], file: str, needs_file_name: bool = True) -> Iterator[Problem]:
    """Yield the problems of one image record."""
    place = f"image {image['id']}"
    if needs_file_name or "file_name" in image:
        message = file_name_problem(image.get("file_name"))
        if message:
            yield Problem(file, place, "file_name", message)
    for side in ("height", "width"):
        value = image.get(side)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_SIDE:
            yield Problem(file, place, side, f"expected a positive number of pixels, got {short_repr(value)}")


def annotation_problems(
    annotation: dict[str, Any],
    file: str,
    number: int,
    images: dict[Any, dict[str, Any]],
    categories: set | dict,
) -> Iterator[Problem]:
    """Yield the problems of one annotation.

    Args:
        annotation: The record.
        file: The annotation file.
        number: Its place in the list, which names it when it has no id.
        images: Image records by id.
        categories: The known category ids.
    """
    place = f"annotation {annotation['id']}" if is_id(annotation.get("id")) else f"annotations[{number}]"
    if "id" in annotation and not is_id(annotation["id"]):
        yield Problem(file, place, "id", f"expected a number or a string, got {short_repr(annotation['id'])}")
    image_id, category = annotation.get("image_id"), annotation.get("category_id")
    image = images.get(image_id) if is_id(image_id) else None
    if image is None:
        yield Problem(file, place, "image_id", f"no image has the id {short_repr(image_id)}")
    if not is_id(category) or category not in categories:
        yield Problem(file, place, "category_id", f"no category has the id {short_repr(category)}")
    if annotation.get("iscrowd", 0) not in (0, 1):
        yield Problem(file, place, "iscrowd", f"expected 0 or 1, got {short_repr(annotation['iscrowd'])}")
    message = box_problem(annotation.get("bbox")) or outside_problem(annotation["bbox"], image)
    if message:
        yield Problem(file, place, "bbox", message)
    if annotation.get("segmentation"):
        for field, text in segmentation_problems(annotation["segmentation"], image):
            yield Problem(file, place, field, text)
    if "keypoints" in annotation:
        message = keypoints_problem(annotation["keypoints"])
        if message:
            yield Problem(file, place, "keypoints", message)


def box_problem(box: Any) -> str | None:
    """Say what is wrong with `[x, y, width, height]`."""
    if not isinstance(box, (list, tuple)) or len(box) != 4 or not _are_numbers(box):
        return f"expected [x, y, width, height] of finite numbers, got {short_repr(box)}"
    if box[2] < 0 or box[3] < 0:
        return f"width and height must not be negative, got {short_repr(box)}"
    return None


def segmentation_problems(segmentation: Any, image: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield `(field, message)` for polygons or run-length codes that are broken."""
    if isinstance(segmentation, dict):
        message = rle_problem(segmentation, image)
        if message:
            yield "segmentation", message
        return
    if not isinstance(segmentation, list):
        yield "segmentation", f"expected polygons or an RLE, got {short_repr(segmentation)}"
        return
    for number, polygon in enumerate(segmentation):
        field = f"segmentation[{number}]"
        if not isinstance(polygon, list):
            yield field, f"expected a list of numbers, got {short_repr(polygon)}"
        elif len(polygon) < 6 or len(polygon) % 2:
            yield (
                field,
                f"a polygon needs at least 6 numbers, x and y of 3 points, and an even count, got {len(polygon)}",
            )
        elif not _are_numbers(polygon):
            bad = next((value for value in polygon if not _is_number(value)), polygon)
            yield field, f"a polygon's coordinates must be finite numbers, got {short_repr(bad)}"


def rle_problem(rle: dict[str, Any], image: dict[str, Any] | None) -> str | None:
    """Say what is wrong with a run-length code, without making a mask of it."""
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, (list, tuple)) or len(size) != 2 or not all(isinstance(side, int) for side in size):
        return f"an RLE needs 'size' of two numbers, got {short_repr(size)}"
    if image is not None and list(size) != [image.get("height"), image.get("width")]:
        return (
            f"the RLE is {size[0]} x {size[1]} (height x width), its image {image.get('height')} x {image.get('width')}"
        )
    pixels = size[0] * size[1]
    if isinstance(counts, (str, bytes)):
        if not rle_string_covers(counts, pixels):
            return f"the RLE's counts are damaged: they do not sum to {size[0]} * {size[1]}"
        return None
    if not isinstance(counts, list) or not all(isinstance(count, int) and count >= 0 for count in counts):
        return f"an RLE needs 'counts' as text or as a list of numbers >= 0, got {short_repr(counts)}"
    if sum(counts) != pixels:
        return f"the RLE's counts must sum to {size[0]} * {size[1]}, got {sum(counts)}"
    return None


def rle_string_covers(counts: str | bytes, pixels: int) -> bool:
    """Whether a compressed run-length code has runs that sum to the number of pixels.

    Each number is written in groups of 5 bits, the lowest first, as characters from 48; bit 5 says that more groups
    follow, the last group's bit 4 is the sign. From the third run on, the difference to the run two before is written.
    """
    runs: list[int] = []
    total, value, shift = 0, 0, 0
    for code in counts.encode("latin-1", errors="replace") if isinstance(counts, str) else counts:
        group = code - 48
        if not 0 <= group < 64 or shift > 60:
            return False
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        run = value + (runs[-2] if len(runs) > 2 else 0)
        if run < 0 or total + run > pixels:
            return False
        runs.append(run)
        total, value, shift = total + run, 0, 0
    return shift == 0 and total == pixels


def keypoints_problem(keypoints: Any) -> str | None:
    """Say what is wrong with `[x, y, visibility, …]`."""
    if not isinstance(keypoints, list) or len(keypoints) % 3 or not _are_numbers(keypoints):
        return f"expected x, y, visibility of every keypoint as finite numbers, got {short_repr(keypoints)}"
    if any(visibility not in (0, 1, 2) for visibility in keypoints[2::3]):
        return "a keypoint's visibility must be 0, 1 or 2"
    return None


def outside_problem(box: list[float], image: dict[str, Any] | None) -> str | None:
    """Say that a box has nothing in common with its image; one without area may lie on the image's border."""
    right, bottom = (image or {}).get("width"), (image or {}).get("height")
    if not isinstance(right, int) or not isinstance(bottom, int):
        return None
    x, y, width, height = box
    if x > right or y > bottom or x + width < 0 or y + height < 0:
        return f"the box {short_repr(box)} lies outside the image of {right} x {bottom}"
    return None


def compressed(rle: dict[str, Any]) -> dict[str, Any]:
    """Return a run-length code in COCO's compressed form."""
    if isinstance(rle["counts"], list):
        return pycocotools.mask.frPyObjects(rle, *rle["size"])
    return rle
