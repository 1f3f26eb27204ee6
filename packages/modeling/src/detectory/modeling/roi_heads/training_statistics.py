"""Figures about the heads' work that go to the event storage, where one is active."""

import torch
from torch import Tensor

from detectory.core.events import get_event_storage, has_event_storage


@torch.no_grad()
def log_classification_stats(pred_logits: Tensor, gt_classes: Tensor, prefix: str = "fast_rcnn") -> None:
    """Log how many regions are classified right, and how many objects are taken for background.

    Args:
        pred_logits: `(R, K + 1)`, background last.
        gt_classes: `(R,)`.
        prefix: First part of the names.
    """
    if gt_classes.numel() == 0 or not has_event_storage():
        return
    predicted = pred_logits.argmax(dim=1)
    background = pred_logits.shape[1] - 1
    foreground = gt_classes < background
    right = predicted == gt_classes
    objects = int(foreground.sum())
    storage = get_event_storage()
    storage.put_scalar(f"{prefix}/cls_accuracy", right.float().mean().item())
    if objects:
        storage.put_scalar(f"{prefix}/fg_cls_accuracy", right[foreground].float().mean().item())
        missed = (predicted[foreground] == background).float().mean().item()
        storage.put_scalar(f"{prefix}/false_negative", missed)


@torch.no_grad()
def log_mask_stats(pred_masks: Tensor, gt_masks: Tensor, prefix: str = "mask_rcnn") -> None:
    """Log the share of mask pixels that are right, wrongly set and wrongly unset.

    Args:
        pred_masks: Bool, any shape.
        gt_masks: Bool, the same shape.
        prefix: First part of the names.
    """
    if gt_masks.numel() == 0 or not has_event_storage():
        return
    wrong = pred_masks != gt_masks
    on = gt_masks.sum().item()
    storage = get_event_storage()
    storage.put_scalar(f"{prefix}/accuracy", 1 - wrong.float().mean().item())
    off = max(gt_masks.numel() - on, 1.0)
    storage.put_scalar(f"{prefix}/false_positive", (wrong & ~gt_masks).sum().item() / off)
    storage.put_scalar(f"{prefix}/false_negative", (wrong & gt_masks).sum().item() / max(on, 1.0))


def log_sample_stats(foreground: list[int], background: list[int], prefix: str = "roi_head") -> None:
    """Log the mean number of foreground and background regions that an image gives to training."""
    if len(foreground) == 0 or not has_event_storage():
        return
    storage = get_event_storage()
    storage.put_scalar(f"{prefix}/num_fg_samples", sum(foreground) / len(foreground))
    storage.put_scalar(f"{prefix}/num_bg_samples", sum(background) / len(background))
