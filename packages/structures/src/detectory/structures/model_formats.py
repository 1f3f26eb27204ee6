"""Typed dictionaries of model inputs and model outputs.

A mapper of `detectory.data` turns each record of a dataset into a `ModelInput`. In inference a model returns one
`ModelOutput` per image. At run time both are plain dicts and may contain additional keys.

`N` is the number of objects, `K` the number of classes, `P` the number of proposals.

Source: Detectron2's documentation, "Use Models".
"""

from typing import TypedDict

import torch

from .instances import Instances
from .records import SegmentInfo


class _RequiredModelInput(TypedDict):
    image: torch.Tensor
    """Shape (C, H, W). The model normalises the image; the order of channels is part of the model's configuration."""


class ModelInput(_RequiredModelInput, total=False):
    """One image as the models take it; a batch is a list of them."""

    height: int
    """The height of the output in pixels; the height of `image` if absent."""
    width: int
    """The width of the output in pixels; the width of `image` if absent."""
    instances: Instances
    """Ground truth for training: `gt_boxes`, `gt_classes` (int64 in [0, K)) and, depending on the task, `gt_masks` and
    `gt_keypoints`."""
    sem_seg: torch.Tensor
    """Semantic ground truth for training: class labels, int64 of shape (H, W)."""
    proposals: Instances
    """Precomputed proposals for Fast R-CNN: `proposal_boxes` and `objectness_logits`, shape (P,)."""
    file_name: str
    """The path of the image file, copied from the record."""
    image_id: int | str
    """The id of the image, copied from the record."""


class ModelOutput(TypedDict, total=False):
    """The predictions of a model for one image. Which keys are present depends on the task."""

    instances: Instances
    """`pred_boxes`, `scores` (N,), `pred_classes` (N,) and, depending on the task, `pred_masks` of shape (N, H, W) and
    `pred_keypoints` of shape (N, number of keypoints, 3), rows `(x, y, score)`."""
    sem_seg: torch.Tensor
    """Semantic segmentation: class scores, shape (K, H, W)."""
    panoptic_seg: tuple[torch.Tensor, list[SegmentInfo] | None]
    """Panoptic segmentation: segment ids, shape (H, W), and the segments. Pixels with an id that is not in the list are
    void. If the list is None, an id is `class * metadata.label_divisor + instance`, and -1 is void."""
    proposals: Instances
    """Proposals: `proposal_boxes` and `objectness_logits`, shape (P,)."""
