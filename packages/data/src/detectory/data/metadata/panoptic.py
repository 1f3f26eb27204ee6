"""Metadata of registered panoptic and semantic datasets: paths, evaluator and label conventions."""

from typing import Any


def panoptic_metadata(
    metadata: dict[str, Any],
    image_root: str,
    panoptic_root: str,
    panoptic_json: str,
    instances_json: str | None,
) -> dict[str, Any]:
    """Return the metadata of a panoptic dataset with one range of ids for things and stuff."""
    return {
        "panoptic_root": panoptic_root,
        "image_root": image_root,
        "panoptic_json": panoptic_json,
        "json_file": instances_json,
        "evaluator_type": "coco_panoptic_seg",
        "ignore_label": 255,
        "label_divisor": 1000,
        **metadata,
    }


def separated_metadata(
    metadata: dict[str, Any],
    image_root: str,
    panoptic_root: str,
    panoptic_json: str,
    sem_seg_root: str,
    instances_json: str,
) -> dict[str, Any]:
    """Return the metadata of a panoptic dataset with separate ids for things and stuff."""
    return {
        "panoptic_root": panoptic_root,
        "image_root": image_root,
        "panoptic_json": panoptic_json,
        "sem_seg_root": sem_seg_root,
        "json_file": instances_json,
        "evaluator_type": "coco_panoptic_seg",
        "ignore_label": 255,
        **metadata,
    }


def semantic_metadata(metadata: dict[str, Any], image_root: str, sem_seg_root: str) -> dict[str, Any]:
    """Return the metadata of a semantic segmentation dataset."""
    return {
        "sem_seg_root": sem_seg_root,
        "image_root": image_root,
        "evaluator_type": "sem_seg",
        "ignore_label": 255,
        **metadata,
    }
