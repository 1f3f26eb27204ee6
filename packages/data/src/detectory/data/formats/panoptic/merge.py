"""Combination of instance records and semantic records to panoptic records."""

from collections.abc import Sequence
from typing import cast

from detectory.structures.records import DatasetRecord


def merge_to_panoptic(
    detection_dicts: Sequence[DatasetRecord], sem_seg_dicts: Sequence[DatasetRecord]
) -> list[DatasetRecord]:
    """Join records of instances and records of semantic label images by file name.

    Returns:
        One record per semantic record, with the fields of both.

    Raises:
        ValueError: If `sem_seg_dicts` is empty, or one of its images has no record in `detection_dicts`.
    """
    instances = {record["file_name"]: record for record in detection_dicts}
    if not sem_seg_dicts:
        raise ValueError("merge_to_panoptic: sem_seg_dicts must not be empty")
    for record in sem_seg_dicts:
        if record["file_name"] not in instances:
            raise ValueError(f"merge_to_panoptic: detection_dicts has no record of {record['file_name']}")
    return [cast(DatasetRecord, {**instances[record["file_name"]], **record}) for record in sem_seg_dicts]
