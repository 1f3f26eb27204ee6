"""Sigmoid classification losses, including the federated loss for large vocabularies such as LVIS.

In a federated dataset no image is annotated with all classes, so that a missing annotation is not a negative sample.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def federated_classes(gt_classes: Tensor, num_fed_loss_classes: int, num_classes: int, weight: Tensor | None) -> Tensor:
    """Return the classes of the batch and randomly sampled further classes, the negatives of the federated loss.

    Args:
        gt_classes: `(R,)` classes of the regions; `num_classes` is the background.
        num_fed_loss_classes: Number of classes. More are returned if the batch itself contains more.
        num_classes: Number of classes of the dataset, `K`.
        weight: `(K,)` sampling weights of the classes; `None` for uniform sampling.

    Returns:
        Distinct class ids, int64; the background `K` is included if the batch contains it.

    Source: Zhou et al., "Probabilistic two-stage detection", 2021, appendix.
    """
    batch_classes = gt_classes.unique()
    num_missing = num_fed_loss_classes - len(batch_classes)
    if num_missing <= 0:
        return batch_classes
    probability = torch.ones(num_classes + 1, device=batch_classes.device)
    if weight is not None:
        probability[:num_classes] = weight.to(probability)
    probability[num_classes] = 0
    probability[batch_classes] = 0
    return torch.cat((batch_classes, torch.multinomial(probability, num_missing, replacement=False)))


def sigmoid_cross_entropy(logits: Tensor, gt_classes: Tensor, classes: Tensor | None = None) -> Tensor:
    """Return the binary cross-entropy, summed over the classes and averaged over the regions.

    Args:
        logits: `(R, K + 1)`; the column of the background is ignored.
        gt_classes: `(R,)` classes of the regions; `K` is the background.
        classes: Ids of the classes that contribute to the loss, see `federated_classes`; `None` for all.

    Returns:
        A scalar; 0 without regions.
    """
    if gt_classes.numel() == 0:
        return logits.sum() * 0.0
    num_classes = logits.shape[1] - 1
    targets = F.one_hot(gt_classes, num_classes + 1)[:, :num_classes].to(logits.dtype)
    loss = F.binary_cross_entropy_with_logits(logits[:, :num_classes], targets, reduction="none")
    if classes is not None:
        is_used = logits.new_zeros(num_classes + 1).index_fill(0, classes, 1.0)
        loss = loss * is_used[:num_classes]
    return loss.sum() / len(gt_classes)
