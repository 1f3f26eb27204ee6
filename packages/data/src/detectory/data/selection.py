"""Put datasets together for training or evaluation."""

import logging
import os
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import ConcatDataset, Dataset

from detectory.core.checkpoint import load_pickle
from detectory.core.storage import local_path
from detectory.structures import BoxMode

from .catalog import DatasetCatalog, MetadataCatalog
from .consistency import check_metadata_consistency
from .formats.coco.index import CocoIndex
from .lists import JoinedList

logger = logging.getLogger(__name__)
_MOST_LISTED = 40


def filter_images_with_only_crowd_annotations(dataset_dicts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out images without any annotation that is no crowd."""
    kept = [
        record
        for record in dataset_dicts
        if any(annotation.get("iscrowd", 0) == 0 for annotation in record["annotations"])
    ]
    logger.info("left out %d images without annotations, %d are left", len(dataset_dicts) - len(kept), len(kept))
    return kept


def filter_images_with_few_keypoints(
    dataset_dicts: Sequence[dict[str, Any]], min_keypoints_per_image: int
) -> list[dict[str, Any]]:
    """Leave out images with fewer visible keypoints, of annotations that are no crowd."""

    def visible(record: dict[str, Any]) -> int:
        return sum(
            int((np.asarray(annotation["keypoints"][2::3]) > 0).sum())
            for annotation in record["annotations"]
            if "keypoints" in annotation
        )

    kept = [record for record in dataset_dicts if visible(record) >= min_keypoints_per_image]
    logger.info("left out %d images with few keypoints, %d are left", len(dataset_dicts) - len(kept), len(kept))
    return kept


def load_proposals_into_dataset(
    dataset_dicts: list[dict[str, Any]], proposal_file: str | os.PathLike[str]
) -> list[dict[str, Any]]:
    """Add precomputed object proposals to records, in place.

    Args:
        dataset_dicts: Records with `image_id`.
        proposal_file: A pickle of `ids` (image ids), `boxes` (an `(N, 4)` array each), `objectness_logits` (an
            `(N,)` array each) and perhaps `bbox_mode` (`XYXY_ABS` without it); `indexes` and `scores` are
            read as older names of ids and logits. Only arrays, numbers and text are read, no code is run.

    Returns:
        The records with `proposal_boxes` and `proposal_objectness_logits`, best first, and `proposal_bbox_mode`.

    Raises:
        ValueError: The file lacks a key or an image.
    """
    name = os.fspath(proposal_file)
    content = load_pickle(local_path(name))
    for new, old in (("ids", "indexes"), ("objectness_logits", "scores")):
        if new not in content and old in content:
            content[new] = content.pop(old)
    missing = [key for key in ("ids", "boxes", "objectness_logits") if key not in content]
    if missing:
        raise ValueError(f"{name}: no proposals file: it lacks {', '.join(missing)}")
    mode = BoxMode(content.get("bbox_mode", BoxMode.XYXY_ABS))
    places = {str(image_id): place for place, image_id in enumerate(content["ids"])}
    for record in dataset_dicts:
        place = places.get(str(record["image_id"]))
        if place is None:
            raise ValueError(f"{name}: it has no proposals of image id {record['image_id']!r}")
        logits = np.asarray(content["objectness_logits"][place])
        order = logits.argsort()[::-1]
        record["proposal_boxes"] = np.asarray(content["boxes"][place])[order]
        record["proposal_objectness_logits"] = logits[order]
        record["proposal_bbox_mode"] = mode
    return dataset_dicts


def print_instances_class_histogram(dataset_dicts: Sequence[dict[str, Any]], class_names: Sequence[str]) -> None:
    """Log how many instances each class has; crowds are not counted.

    Raises:
        ValueError: A category id is not in `[0, len(class_names))`.
    """
    counts = Counter(
        annotation["category_id"]
        for record in dataset_dicts
        for annotation in record["annotations"]
        if not annotation.get("iscrowd", 0)
    )
    strangers = sorted(category for category in counts if not 0 <= category < len(class_names))
    if strangers:
        raise ValueError(
            f"category ids must lie in [0, {len(class_names)}), the classes of the metadata, got {strangers[:10]}"
        )
    logger.info(
        "%d instances of %d classes in %d images:\n%s",
        counts.total(),
        len(class_names),
        len(dataset_dicts),
        _listed(counts, class_names),
    )


def _listed(counts: Counter[int], class_names: Sequence[str]) -> str:
    """The commonest classes with their counts, and how many others there are, in lines of a terminal's width."""
    known = [f"{class_names[number]} {count}" for number, count in counts.most_common()]
    listed = ", ".join(known[:_MOST_LISTED])
    if len(known) > _MOST_LISTED:
        listed += f", and {len(known) - _MOST_LISTED} rarer classes"
    if len(known) < len(class_names):
        listed += f"{', and ' if known else ''}{len(class_names) - len(known)} classes without any"
    return textwrap.fill(listed, 100, initial_indent="  ", subsequent_indent="  ")


def _joined_indices(names: list[str], loaded: list[CocoIndex], filter_empty: bool, check_consistency: bool) -> Any:
    """Join indexed datasets without making their records."""
    parts = [one.without_empty() for one in loaded] if filter_empty else loaded
    if check_consistency:
        check_metadata_consistency("thing_classes", names)
    counts: Counter[int] = Counter()
    for part in parts:
        counts.update(part.category_counts())
    total = sum(len(part) for part in parts)
    logger.info("%d instances of %d classes in %d images", counts.total(), len(counts), total)
    if total == 0:
        raise ValueError(f"no valid images are left of {', '.join(names)}")
    return parts[0] if len(parts) == 1 else JoinedList(parts)


def get_detection_dataset_dicts(
    names: str | Sequence[str],
    filter_empty: bool = True,
    min_keypoints: int = 0,
    proposal_files: Sequence[str] | None = None,
    check_consistency: bool = True,
) -> Any:
    """Load datasets by name and join them.

    Args:
        names: One or more registered names.
        filter_empty: Whether images without annotations, or with crowds only, are left out.
        min_keypoints: Images with fewer visible keypoints are left out; 0 keeps all.
        proposal_files: One file of proposals for each dataset, see `load_proposals_into_dataset`.
        check_consistency: Whether the datasets must have the same classes.

    Returns:
        Records of the standard format: a list, or a list-like object where all datasets are indexed; a torch dataset
        where the registered function returned one.

    Raises:
        ValueError: A dataset is empty, or all images were left out, or the datasets do not fit together.
    """
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError("get_detection_dataset_dicts: names must not be empty")
    loaded: list[Any] = [DatasetCatalog.get(name) for name in names]
    for name, records in zip(names, loaded, strict=True):
        if len(records) == 0:
            raise ValueError(f"dataset {name!r} is empty")
    if any(isinstance(records, Dataset) for records in loaded):
        return loaded[0] if len(loaded) == 1 else ConcatDataset(loaded)
    if proposal_files is not None:
        if len(proposal_files) != len(names):
            raise ValueError(f"got {len(proposal_files)} proposal files for {len(names)} datasets")
        loaded = [load_proposals_into_dataset(*pair) for pair in zip(loaded, proposal_files, strict=True)]
    if proposal_files is None and min_keypoints == 0 and all(isinstance(one, CocoIndex) for one in loaded):
        return _joined_indices(names, loaded, filter_empty, check_consistency)
    records = [record for one in loaded for record in one]
    has_instances = "annotations" in records[0]
    if filter_empty and has_instances:
        records = filter_images_with_only_crowd_annotations(records)
    if min_keypoints > 0 and has_instances:
        records = filter_images_with_few_keypoints(records, min_keypoints)
    if check_consistency and has_instances and "thing_classes" in MetadataCatalog.get(names[0]).as_dict():
        check_metadata_consistency("thing_classes", names)
        print_instances_class_histogram(records, MetadataCatalog.get(names[0]).thing_classes)
    if not records:
        raise ValueError(f"no valid images are left of {', '.join(names)}")
    return records
