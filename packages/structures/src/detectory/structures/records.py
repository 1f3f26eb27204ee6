"""Typed dictionaries of the standard dataset format.

`DatasetRecord` describes one image of a dataset: the loaders of `detectory.data` return lists of records, and a mapper
turns each record into a `ModelInput`. At run time records are plain dicts and may contain additional keys, for example
custom annotation fields that a custom mapper reads. `P` is the number of proposals.

Source: Detectron2's documentation, "Use Custom Datasets".
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np


class RLE(TypedDict):
    """A run-length encoded mask in COCO's format."""

    size: Sequence[int]
    """`[height, width]` in pixels."""
    counts: bytes | str | Sequence[int]
    """Lengths of alternating runs of background and foreground in column-major order, background first. `bytes` and
    `str` are COCO's compressed form, a sequence of integers the uncompressed one."""


Segmentation = Sequence[Sequence[float] | np.ndarray] | RLE | np.ndarray
"""The mask of one object: polygons `[x1, y1, x2, y2, …]` in pixels, one per connected component; an RLE; or a bitmap of
shape (H, W), non-zero inside the object."""


class _RequiredAnnotation(TypedDict):
    bbox: Sequence[float] | np.ndarray
    """The box as 4 numbers, or as 5 numbers if it is rotated, in the format `bbox_mode`."""
    bbox_mode: int
    """The format of `bbox`, a member of `BoxMode`."""
    category_id: int
    """The class in [0, K); `K` itself means background."""


class Annotation(_RequiredAnnotation, total=False):
    """The annotation of one object."""

    segmentation: Segmentation
    """The mask of the object."""
    keypoints: Sequence[float] | np.ndarray
    """`[x1, y1, v1, …]`, or an array of shape (number of keypoints, 3). Coordinates are continuous, in [0, W] and
    [0, H]: COCO's integer pixel indices plus 0.5. Visibility `v`: 0 not labelled, 1 labelled but hidden, 2 visible."""
    iscrowd: int
    """1 if the annotation is a COCO crowd region, which covers a group of objects; 0 (default) otherwise."""


class _RequiredSegmentInfo(TypedDict):
    id: int
    """The value of the segment's pixels in the panoptic image."""
    category_id: int
    """The class of the segment, in [0, K)."""


class SegmentInfo(_RequiredSegmentInfo, total=False):
    """One segment of a panoptic segmentation: ground truth or prediction."""

    iscrowd: int
    """Ground truth: 1 if the segment is a COCO crowd region; 0 (default) otherwise."""
    isthing: bool
    """Prediction: whether the class is a thing (countable objects) rather than stuff (amorphous regions)."""
    score: float
    """Prediction of a thing: its confidence in [0, 1]."""
    instance_id: int
    """Prediction of a thing: its index in the instance predictions of the image."""
    area: int
    """Prediction of stuff: its size in pixels."""


class DatasetRecord(TypedDict, total=False):
    """One image of a dataset and its ground truth, light enough to keep all records of a dataset in memory.

    Which keys are present depends on the task.
    """

    file_name: str
    """The path of the image file."""
    height: int
    """The height of the image in pixels."""
    width: int
    """The width of the image in pixels."""
    image_id: int | str
    """A unique id of the image; evaluators match predictions and ground truth by it."""
    annotations: list[Annotation]
    """Detection: the objects of the image; an empty list means that the image is labelled as having none."""
    sem_seg_file_name: str
    """Semantic segmentation: the path of a grayscale image whose pixel values are class labels."""
    pan_seg_file_name: str
    """Panoptic segmentation: the path of an RGB image whose pixels encode segment ids as R + 256 G + 256² B."""
    segments_info: list[SegmentInfo]
    """Panoptic segmentation: the meaning of the segment ids. Pixels with any other id are unlabelled."""
    proposal_boxes: np.ndarray
    """Precomputed proposals, shape (P, 4), in the format `proposal_bbox_mode`."""
    proposal_objectness_logits: np.ndarray
    """The objectness logits of the precomputed proposals, shape (P,)."""
    proposal_bbox_mode: int
    """The format of `proposal_boxes`, a member of `BoxMode`; the default is `BoxMode.XYXY_ABS`."""
