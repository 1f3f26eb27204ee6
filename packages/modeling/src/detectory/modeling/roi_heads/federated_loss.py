"""Losses for vocabularies so large that no image is labelled for all of it."""

import torch
from torch import Tensor
from torch.nn import functional as F


def federated_classes(gt_classes: Tensor, num_fed_loss_classes: int, num_classes: int, weight: Tensor | None) -> Tensor:
    """Return the batch's own classes and enough others, drawn without replacement.

    Args:
        gt_classes: Classes of the batch's regions, `num_classes` is background.
        num_fed_loss_classes: Classes wanted; more are returned if the batch itself has more.
        num_classes: `K`.
        weight: Weight `(K,)` of each class in the draw, `None` for equal ones.

    Returns:
        Distinct classes, int64; may contain the background.

    Source: Zhou et al., "Probabilistic two-stage detection", 2021, appendix.
    """
    own = gt_classes.unique()
    missing = num_fed_loss_classes - len(own)
    if missing <= 0:
        return own
    chance = torch.ones(num_classes + 1, device=own.device)
    if weight is not None:
        chance[:num_classes] = weight.to(chance)
    chance[num_classes] = 0
    chance[own] = 0
    return torch.cat((own, torch.multinomial(chance, missing, replacement=False)))


def sigmoid_cross_entropy(logits: Tensor, gt_classes: Tensor, classes: Tensor | None = None) -> Tensor:
    """Return the sum of binary cross-entropies divided by the number of regions.

    Args:
        logits: `(R, K + 1)`; the background's column plays no part.
        gt_classes: `(R,)`, `K` is background.
        classes: The classes that count, see `federated_classes`; `None` for all.
    """
    if gt_classes.numel() == 0:
        return logits.sum() * 0.0
    num_classes = logits.shape[1] - 1
    targets = F.one_hot(gt_classes, num_classes + 1)[:, :num_classes].to(logits.dtype)
    loss = F.binary_cross_entropy_with_logits(logits[:, :num_classes], targets, reduction="none")
    if classes is not None:
        counts = logits.new_zeros(num_classes + 1).index_fill(0, classes, 1.0)
        loss = loss * counts[:num_classes]
    return loss.sum() / len(gt_classes)
