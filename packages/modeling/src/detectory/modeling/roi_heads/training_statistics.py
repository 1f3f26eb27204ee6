"""Statistics of the ROI heads during training, logged to the active event storage if there is one."""

import torch
from torch import Tensor

from detectory.core.events import get_event_storage, has_event_storage


@torch.no_grad()
def log_classification_stats(pred_logits: Tensor, gt_classes: Tensor, prefix: str = "fast_rcnn") -> None:
    """Log the classification accuracy of all regions and of the foreground, and the fraction of missed objects.

    Args:
        pred_logits: `(R, K + 1)` logits, the background last.
        gt_classes: `(R,)` ground-truth classes.
        prefix: Prefix of the names.
    """
    if gt_classes.numel() == 0 or not has_event_storage():
        return
    predicted = pred_logits.argmax(dim=1)
    background = pred_logits.shape[1] - 1
    foreground = gt_classes < background
    correct = predicted == gt_classes
    num_foreground = int(foreground.sum())
    storage = get_event_storage()
    storage.put_scalar(f"{prefix}/cls_accuracy", correct.float().mean().item())
    if num_foreground:
        storage.put_scalar(f"{prefix}/fg_cls_accuracy", correct[foreground].float().mean().item())
        missed = (predicted[foreground] == background).float().mean().item()
        storage.put_scalar(f"{prefix}/false_negative", missed)


@torch.no_grad()
def log_mask_stats(pred_masks: Tensor, gt_masks: Tensor, prefix: str = "mask_rcnn") -> None:
    """Log the fractions of correct, false positive and false negative mask pixels.

    Args:
        pred_masks: Bool tensor of any shape.
        gt_masks: Bool tensor of the same shape.
        prefix: Prefix of the names.
    """
    if gt_masks.numel() == 0 or not has_event_storage():
        return
    wrong = pred_masks != gt_masks
    num_positive = gt_masks.sum().item()
    storage = get_event_storage()
    storage.put_scalar(f"{prefix}/accuracy", 1 - wrong.float().mean().item())
    num_negative = max(gt_masks.numel() - num_positive, 1.0)
    storage.put_scalar(f"{prefix}/false_positive", (wrong & ~gt_masks).sum().item() / num_negative)
    storage.put_scalar(f"{prefix}/false_negative", (wrong & gt_masks).sum().item() / max(num_positive, 1.0))


def log_sample_stats(foreground: list[int], background: list[int], prefix: str = "roi_head") -> None:
    """Log the mean number of sampled foreground and background regions per image.

    Args:
        foreground: Number of foreground regions of each image.
        background: Number of background regions of each image.
        prefix: Prefix of the names.
    """
    if len(foreground) == 0 or not has_event_storage():
        return
    storage = get_event_storage()
    storage.put_scalar(f"{prefix}/num_fg_samples", sum(foreground) / len(foreground))
    storage.put_scalar(f"{prefix}/num_bg_samples", sum(background) / len(background))
