"""Comparison of a semantic head with label images and metadata before the first step."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from detectory.core.distributed import is_main_process
from detectory.data import MetadataCatalog
from detectory.data.classes import listed
from detectory.data.label_summary import summarize_labels

_logger = logging.getLogger(__name__)
_NUM_CLASSES = "Set model.sem_seg_head.num_classes={0} (MODEL.SEM_SEG_HEAD.NUM_CLASSES={0} in a Detectron2 config)"
_IGNORE_VALUE = "Set model.sem_seg_head.ignore_value={0} (MODEL.SEM_SEG_HEAD.IGNORE_VALUE={0} in a Detectron2 config)"
_DEFAULT_IGNORE_LABEL = 255


def semantic_problems(model: nn.Module, name: str, records: Sequence[Any]) -> Iterator[str]:
    """Yield the differences between the semantic head of a model and a dataset; models without one have none.

    Label images are read for up to 10 seconds, in the main process only.

    Args:
        model: A meta-architecture, with a semantic head in `sem_seg_head` or without.
        name: Name of the registered dataset.
        records: Its records.

    Raises:
        OSError: If a label image cannot be read.
    """
    head: Any = getattr(model, "sem_seg_head", None)
    if head is None or not len(records) or not is_main_process():
        return
    if "sem_seg_file_name" not in records[0]:
        yield (
            f"the model has a semantic head, but the records of dataset {name} have no label images "
            "(field sem_seg_file_name). Register the dataset with its label images, or train an instance model"
        )
        return
    count, ignored = num_semantic_classes(head), getattr(head, "ignore_value", None)
    metadata = MetadataCatalog.get(name)
    names = list(metadata.get("stuff_classes") or [])
    if count is not None:
        yield from _label_problems(name, records, count, ignored, names)
        if names and len(names) != count:
            _logger.warning(
                "the semantic head has %d classes, dataset %s has %d stuff classes: %s. %s",
                *(count, name, len(names), listed(names), _NUM_CLASSES.format(len(names))),
            )
    ids = (metadata.get("stuff_dataset_id_to_contiguous_id") or {}).values()
    outside = sorted(index for index in ids if names and not 0 <= index < len(names))
    if outside:
        yield (
            f"stuff_dataset_id_to_contiguous_id of dataset {name} must map to the indices 0 to {len(names) - 1} of its "
            f"{len(names)} stuff classes, got {outside[0]}"
        )


def num_semantic_classes(head: Any) -> int | None:
    """Return the number of classes of a semantic head, or None if it is unknown."""
    for value in (getattr(head, "num_classes", None), getattr(getattr(head, "predictor", None), "out_channels", None)):
        if type(value) is int:
            return value
    return None


def _label_problems(
    name: str, records: Sequence[Any], count: int, ignored: int | None, names: Sequence[str]
) -> Iterator[str]:
    summary = summarize_labels(records, name)
    ignore_label = MetadataCatalog.get(name).get("ignore_label", _DEFAULT_IGNORE_LABEL)
    labels = sorted(label for label in summary.files if label >= count and label != ignored)
    if ignore_label in labels:
        yield (
            f"the label images of dataset {name} contain {ignore_label}, which the dataset ignores, but the semantic "
            f"head ignores {ignored}; the first is {summary.files[ignore_label]}. {_IGNORE_VALUE.format(ignore_label)}"
        )
        labels.remove(ignore_label)
    if labels:
        first, largest = labels[0], labels[-1]
        described = f"{first} ({names[first]})" if first < len(names) else str(first)
        yield (
            f"the semantic head has {count} classes, so labels must be 0 to {count - 1}, but the label images of "
            f"dataset {name} contain {described}; the first is {summary.files[first]}. "
            f"{_NUM_CLASSES.format(max(largest + 1, len(names)))}"
        )
    if ignored is not None and ignored in range(count) and ignored in summary.files and ignored != ignore_label:
        _logger.warning(
            "the semantic head ignores label %d, but the evaluation of dataset %s does not. "
            "Set ignore_label in its metadata to ignore it in both",
            *(ignored, name),
        )
