"""Selection and combination of registered datasets for training and evaluation."""

import logging
import os
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import ChainDataset, ConcatDataset, Dataset, IterableDataset

from detectory.core.checkpoint import load_pickle
from detectory.core.storage import local_path
from detectory.structures import BoxMode

from .catalog import DatasetCatalog, MetadataCatalog
from .consistency import check_metadata_consistency
from .formats.coco.index import CocoIndex
from .lists import JoinedList

_logger = logging.getLogger(__name__)
_MAX_LISTED_CLASSES = 40


def filter_images_with_only_crowd_annotations(dataset_dicts: Sequence[Any]) -> list[Any]:
    """Remove images without annotations, and images with only crowd annotations."""
    kept = [
        record
        for record in dataset_dicts
        if any(annotation.get("iscrowd", 0) == 0 for annotation in record["annotations"])
    ]
    _logger.info(
        "Removed %d images without usable annotations, %d images left.", len(dataset_dicts) - len(kept), len(kept)
    )
    return kept


def filter_images_with_few_keypoints(dataset_dicts: Sequence[Any], min_keypoints_per_image: int) -> list[Any]:
    """Remove images with fewer than `min_keypoints_per_image` labelled keypoints (visibility above 0)."""

    def labelled_keypoints(record: dict[str, Any]) -> int:
        return sum(
            int((np.asarray(annotation["keypoints"][2::3]) > 0).sum())
            for annotation in record["annotations"]
            if "keypoints" in annotation
        )

    kept = [record for record in dataset_dicts if labelled_keypoints(record) >= min_keypoints_per_image]
    _logger.info("Removed %d images with few keypoints, %d images left.", len(dataset_dicts) - len(kept), len(kept))
    return kept


def load_proposals_into_dataset(dataset_dicts: list[Any], proposal_file: str | os.PathLike[str]) -> list[Any]:
    """Add precomputed object proposals to records, in place.

    Args:
        dataset_dicts: Records with `image_id`.
        proposal_file: A pickle file of a dict with `ids` (image ids), `boxes` (an array of shape (P, 4) per image),
            `objectness_logits` (an array of shape (P,) per image) and optionally `bbox_mode` (default `XYXY_ABS`). The
            older names `indexes` and `scores` are accepted for `ids` and `objectness_logits`. The file is read without
            executing code from it.

    Returns:
        The records with `proposal_boxes` and `proposal_objectness_logits`, sorted by descending logit, and
        `proposal_bbox_mode`.

    Raises:
        ValueError: If a key is missing in the file, or an image has no proposals.
    """
    name = os.fspath(proposal_file)
    content = load_pickle(local_path(name))
    for new, old in (("ids", "indexes"), ("objectness_logits", "scores")):
        if new not in content and old in content:
            content[new] = content.pop(old)
    missing = [key for key in ("ids", "boxes", "objectness_logits") if key not in content]
    if missing:
        raise ValueError(f"{name}: not a proposal file: missing {', '.join(missing)}")
    mode = BoxMode(content.get("bbox_mode", BoxMode.XYXY_ABS))
    positions = {str(image_id): position for position, image_id in enumerate(content["ids"])}
    for record in dataset_dicts:
        position = positions.get(str(record["image_id"]))
        if position is None:
            raise ValueError(f"{name}: no proposals for image id {record['image_id']!r}")
        logits = np.asarray(content["objectness_logits"][position])
        order = logits.argsort()[::-1]
        record["proposal_boxes"] = np.asarray(content["boxes"][position])[order]
        record["proposal_objectness_logits"] = logits[order]
        record["proposal_bbox_mode"] = mode
    return dataset_dicts


def print_instances_class_histogram(dataset_dicts: Sequence[Any], class_names: Sequence[str]) -> None:
    """Log the number of instances per class, without crowd regions.

    Raises:
        ValueError: If a category id is not in `[0, len(class_names))`.
    """
    counts = Counter(
        annotation["category_id"]
        for record in dataset_dicts
        for annotation in record["annotations"]
        if not annotation.get("iscrowd", 0)
    )
    unknown_ids = sorted(category for category in counts if not 0 <= category < len(class_names))
    if unknown_ids:
        raise ValueError(
            f"category ids must be in [0, {len(class_names)}), the classes in the metadata, got {unknown_ids[:10]}"
        )
    _logger.info(
        "%d instances of %d classes in %d images:\n%s",
        counts.total(),
        len(class_names),
        len(dataset_dicts),
        _class_list(counts, class_names),
    )


def _class_list(counts: Counter[int], class_names: Sequence[str]) -> str:
    """Return the most frequent classes with their counts, wrapped to the width of a terminal."""
    entries = [f"{class_names[category]} {count}" for category, count in counts.most_common()]
    text = ", ".join(entries[:_MAX_LISTED_CLASSES])
    if len(entries) > _MAX_LISTED_CLASSES:
        text += f", and {len(entries) - _MAX_LISTED_CLASSES} rarer classes"
    if len(entries) < len(class_names):
        text += f"{', and ' if entries else ''}{len(class_names) - len(entries)} classes without instances"
    return textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="  ")


def _join_indices(names: list[str], indices: list[CocoIndex], filter_empty: bool, check_consistency: bool) -> Any:
    """Join memory-mapped datasets without creating their records."""
    parts = [index.without_empty() for index in indices] if filter_empty else indices
    if check_consistency:
        check_metadata_consistency("thing_classes", names)
    counts: Counter[int] = Counter()
    for part in parts:
        counts.update(part.category_counts())
    total = sum(len(part) for part in parts)
    _logger.info("%d instances of %d classes in %d images.", counts.total(), len(counts), total)
    if total == 0:
        raise ValueError(_no_images_left(names))
    return parts[0] if len(parts) == 1 else JoinedList(parts)


def _no_images_left(names: list[str]) -> str:
    return f"get_detection_dataset_dicts: all images of {', '.join(names)} were removed by the filters"


def get_detection_dataset_dicts(
    names: str | Sequence[str],
    filter_empty: bool = True,
    min_keypoints: int = 0,
    proposal_files: Sequence[str] | None = None,
    check_consistency: bool = True,
) -> Any:
    """Load registered datasets and join them.

    Args:
        names: One or more dataset names.
        filter_empty: Whether to remove images without annotations and images with only crowd annotations.
        min_keypoints: Remove images with fewer labelled keypoints; 0 keeps all images.
        proposal_files: One proposal file per dataset; see `load_proposals_into_dataset`.
        check_consistency: Whether to require that all datasets have the same classes.

    Returns:
        The records: a list; a sequence that creates records on access if all datasets are memory-mapped; or a torch
        dataset if a registered function returns one.

    Raises:
        ValueError: If a dataset is empty, all images are removed, or the classes of the datasets differ.
    """
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError("get_detection_dataset_dicts: names must not be empty")
    loaded: list[Any] = [DatasetCatalog.get(name) for name in names]
    if any(isinstance(records, IterableDataset) for records in loaded):
        return loaded[0] if len(loaded) == 1 else ChainDataset(loaded)
    for name, records in zip(names, loaded, strict=True):
        if len(records) == 0:
            raise ValueError(f"get_detection_dataset_dicts: dataset {name!r} is empty")
    if any(isinstance(records, Dataset) for records in loaded):
        return loaded[0] if len(loaded) == 1 else ConcatDataset(loaded)
    if proposal_files is not None:
        if len(proposal_files) != len(names):
            raise ValueError(
                "get_detection_dataset_dicts: proposal_files must have one file per dataset, "
                f"got {len(proposal_files)} files for {len(names)} datasets"
            )
        loaded = [load_proposals_into_dataset(*pair) for pair in zip(loaded, proposal_files, strict=True)]
    if proposal_files is None and min_keypoints == 0 and all(isinstance(one, CocoIndex) for one in loaded):
        return _join_indices(names, loaded, filter_empty, check_consistency)
    records = [record for dataset in loaded for record in dataset]
    has_instances = "annotations" in records[0]
    if filter_empty and has_instances:
        records = filter_images_with_only_crowd_annotations(records)
    if min_keypoints > 0 and has_instances:
        records = filter_images_with_few_keypoints(records, min_keypoints)
    if check_consistency and has_instances and "thing_classes" in MetadataCatalog.get(names[0]).as_dict():
        check_metadata_consistency("thing_classes", names)
        print_instances_class_histogram(records, MetadataCatalog.get(names[0]).thing_classes)
    if not records:
        raise ValueError(_no_images_left(names))
    return records
