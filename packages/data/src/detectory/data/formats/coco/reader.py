"""Reader of COCO's instances and keypoints format."""

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from detectory.data.formats.file_names import portable_name
from detectory.data.formats.json_file import read_json
from detectory.data.problems import DatasetError, Problem, raise_first
from detectory.structures.records import Annotation, DatasetRecord

from .categories import contiguous_categories, id_order, keypoint_metadata
from .geometry import stored_box
from .problems import annotation_problems, category_problems, duplicate_problems, file_problems, image_problems
from .rle import compress_rle

_logger = logging.getLogger(__name__)


class LoadedDataset(NamedTuple):
    """The content of an annotation file.

    Attributes:
        records: One record per image.
        metadata: What the file contains about the classes: `thing_classes` (names in the order of the contiguous ids),
            `thing_dataset_id_to_contiguous_id`, and the result of `keypoint_metadata`.
    """

    records: list[DatasetRecord]
    metadata: dict[str, Any]


def read_coco(
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    *,
    contiguous_ids: bool = True,
    extra_annotation_keys: Sequence[str] = (),
    skip_invalid: bool = False,
    rename: Callable[[str], str] | None = None,
) -> LoadedDataset:
    """Read a file in COCO's instances or keypoints format. Images are not read.

    Args:
        json_file: The annotation file.
        image_root: The folder of the images.
        contiguous_ids: Whether to map category ids to 0..K-1; otherwise records contain the ids of the file.
        extra_annotation_keys: Additional annotation fields to copy into the records.
        skip_invalid: Whether to skip invalid images and annotations with a warning, instead of raising an error.
        rename: Returns the file name of an image that is used instead of the name in the file.

    Returns:
        Records in the standard format, sorted by image id. Boxes are `XYWH_ABS`, or
        `XYWHA_ABS` if they have an angle. Keypoints are shifted by 0.5: COCO
        stores pixel indices, the standard format uses continuous coordinates.

    Raises:
        FileNotFoundError: If the file does not exist.
        DatasetError: If the file or a record is invalid. The message contains file, record and field.
    """
    file = os.fspath(json_file)
    content = read_json(file)
    if rename is not None:
        _rename_images(content, rename)
    images, annotations = valid_parts(content, file, skip_invalid)
    names, category_ids = contiguous_categories(content["categories"])
    keys = ("iscrowd", "bbox", "keypoints", "category_id", "difficult", *extra_annotation_keys)
    by_image: dict[Any, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        converted = _annotation(annotation, keys)
        if contiguous_ids:
            converted["category_id"] = category_ids[annotation["category_id"]]
        by_image[annotation["image_id"]].append(converted)
    root = os.fspath(image_root)
    records = [
        _record(image, root, by_image.get(image_id, []))
        for image_id, image in sorted(images.items(), key=lambda item: id_order(item[0]))
    ]
    metadata = {
        "thing_classes": names,
        "thing_dataset_id_to_contiguous_id": category_ids,
        **keypoint_metadata(content["categories"]),
    }
    return LoadedDataset(records, metadata)


def _rename_images(content: Any, rename: Callable[[str], str]) -> None:
    """Rename the images, in place. The structure of the content is checked later."""
    images = content.get("images") if isinstance(content, dict) else None
    for image in images if isinstance(images, list) else ():
        if isinstance(image, dict) and isinstance(image.get("file_name"), str):
            image["file_name"] = rename(image["file_name"])


def valid_parts(content: Any, file: str, skip_invalid: bool) -> tuple[dict[Any, dict[str, Any]], list[dict[str, Any]]]:
    """Return the valid images by id and the valid annotations of a file.

    Raises:
        DatasetError: If the structure of the file or a category is invalid, or with `skip_invalid=False` an image or an
            annotation.
    """
    raise_first(file_problems(content, file))
    raise_first(duplicate_problems(content["categories"], file, "category"))
    raise_first(problem for category in content["categories"] for problem in category_problems(category, file))
    skipped: list[Problem] = []
    images = _valid_images(content["images"], file, skip_invalid, skipped)
    annotations = list(_valid_annotations(content, file, images, skip_invalid, skipped))
    if skipped:
        _logger.warning("%s: skipped invalid records (problems: %d). First problem: %s", file, len(skipped), skipped[0])
    return images, annotations


def _valid_images(
    records: list[dict[str, Any]], file: str, skip_invalid: bool, skipped: list[Problem]
) -> dict[Any, dict[str, Any]]:
    images: dict[Any, dict[str, Any]] = {}
    for image in records:
        problems = list(image_problems(image, file))
        if problems and not skip_invalid:
            raise DatasetError(problems[0])
        skipped.extend(problems)
        if not problems:
            images.setdefault(image["id"], image)
    duplicates = list(duplicate_problems(records, file, "image"))
    if duplicates and not skip_invalid:
        raise DatasetError(duplicates[0])
    skipped.extend(duplicates)
    return images


def _valid_annotations(
    content: dict[str, Any],
    file: str,
    images: dict[Any, dict[str, Any]],
    skip_invalid: bool,
    skipped: list[Problem],
) -> Iterator[dict[str, Any]]:
    categories = {category["id"] for category in content["categories"]}
    seen = set()
    for index, annotation in enumerate(content["annotations"]):
        problems = list(annotation_problems(annotation, file, index, images, categories))
        if not problems and annotation.get("id") is not None:
            if annotation["id"] in seen:
                problems = [Problem(file, f"annotation {annotation['id']}", "id", "duplicate id")]
            seen.add(annotation["id"])
        if problems and not skip_invalid:
            raise DatasetError(problems[0])
        skipped.extend(problems)
        if not problems:
            yield annotation


def _annotation(annotation: dict[str, Any], keys: Sequence[str]) -> Annotation:
    converted = {key: annotation[key] for key in keys if key in annotation}
    converted["bbox"], converted["bbox_mode"] = stored_box(annotation)
    segmentation = annotation.get("segmentation")
    if segmentation:
        converted["segmentation"] = compress_rle(segmentation) if isinstance(segmentation, dict) else segmentation
    if "keypoints" in converted:
        converted["keypoints"] = continuous_keypoints(converted["keypoints"])
    return cast(Annotation, converted)


def continuous_keypoints(keypoints: Sequence[float]) -> list[float]:
    """Convert the pixel indices in `[x1, y1, v1, …]` to continuous coordinates by adding half a pixel."""
    return [value if position % 3 == 2 else value + 0.5 for position, value in enumerate(keypoints)]


def _record(image: dict[str, Any], root: str, annotations: list[Annotation]) -> DatasetRecord:
    return {
        "file_name": os.path.join(root, portable_name(image["file_name"])),
        "height": image["height"],
        "width": image["width"],
        "image_id": image["id"],
        "annotations": annotations,
    }
