"""Assignment of predictions to objects with a number of positives that depends on the predictions: SimOTA."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.structures import Boxes, pairwise_iou

_EPS = 1e-7

#: Added to the cost of predictions that are not close to the center of an object.
_FAR = 1e8


def dynamic_k_matching(cost: Tensor, iou: Tensor, topk: int) -> tuple[Tensor, Tensor]:
    """Match every object with its `k` cheapest predictions, and every prediction with one object at most.

    `k` is the sum of the `topk` highest IoUs of an object, rounded down, and at least 1.

    Args:
        cost: `(N, M)` costs of `N` predictions and `M` objects.
        iou: `(N, M)` IoUs of predicted and true boxes.
        topk: Number of IoUs that determine `k`.

    Returns:
        The index of the matched object, `(N,)` int64, meaningful only for positive predictions; and whether a
        prediction is positive, `(N,)` bool.

    Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021, section 2.1, "SimOTA".
    """
    highest = iou.topk(min(topk, iou.shape[0]), dim=0).values
    counts = highest.sum(dim=0).to(torch.int64).clamp(min=1)  # (M,)
    ranks = cost.argsort(dim=0, stable=True).argsort(dim=0)
    matched = ranks < counts  # (N, M)
    # A prediction of several objects belongs to the cheapest one.
    cheapest = F.one_hot(cost.argmin(dim=1), cost.shape[1]).bool()
    matched = torch.where(matched.sum(dim=1, keepdim=True) > 1, cheapest, matched)
    return matched.to(torch.uint8).argmax(dim=1), matched.any(dim=1)


def _inside(points: Tensor, corners: Tensor) -> Tensor:
    """Return whether points `(N, 2)` are inside boxes `(M, 4)` or `(N, M, 4)`: `(N, M)` bool."""
    return ((points[:, None] > corners[..., :2]) & (points[:, None] < corners[..., 2:])).all(dim=2)


class SimOTAMatcher:
    """Assignment of YOLOX.

    Candidates are the cells with a center inside an object, or close to its center. The cost of a candidate is its
    classification loss plus `iou_weight` times the negative logarithm of its IoU; candidates that do not satisfy both
    conditions are used only if there are no others.

    Args:
        center_radius: Distance from the center of an object, in strides, within which cells are candidates.
        topk: Number of IoUs that determine the number of positives.
        iou_weight: Factor of the IoU cost.

    Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021, section 2.1.
    """

    def __init__(self, center_radius: float = 2.5, topk: int = 10, iou_weight: float = 3.0) -> None:
        self.center_radius = center_radius
        self.topk = topk
        self.iou_weight = iou_weight

    @torch.no_grad()
    def __call__(
        self, centers: Tensor, strides: Tensor, scores: Tensor, boxes: Tensor, gt_boxes: Boxes, gt_classes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Match the `R` cells of all levels with `M` objects.

        Args:
            centers: `(R, 2)` centers of the cells.
            strides: `(R,)` strides of their levels.
            scores: `(R, K)` probabilities.
            boxes: `(R, 4)` predicted boxes.
            gt_boxes: The objects.
            gt_classes: `(M,)` their classes.

        Returns:
            The index of the matched object, `(R,)` int64; whether a cell is positive, `(R,)` bool; and the IoU with the
            matched object, `(R,)`, 0 for negative cells.
        """
        matches = torch.zeros(len(centers), dtype=torch.int64, device=centers.device)
        positive = torch.zeros(len(centers), dtype=torch.bool, device=centers.device)
        quality = torch.zeros(len(centers), device=centers.device)
        in_box = _inside(centers, gt_boxes.tensor)
        middle = gt_boxes.get_centers()
        reach = self.center_radius * strides[:, None, None]
        in_center = _inside(centers, torch.cat((middle[None] - reach, middle[None] + reach), dim=2))
        rows = (in_box | in_center).any(dim=1).nonzero().squeeze(1)
        if not len(rows):
            return matches, positive, quality
        iou = pairwise_iou(Boxes(boxes[rows].float()), gt_boxes)
        labels = F.one_hot(gt_classes, scores.shape[1]).float()
        # The binary cross-entropy of all pairs: only the term of the object's class differs between objects.
        probability = scores[rows].float().clamp(0.0, 1.0)
        positive_terms = -torch.log(probability).clamp(min=-100)
        negative_terms = -torch.log1p(-probability).clamp(min=-100)
        class_cost = negative_terms.sum(dim=1, keepdim=True) + (positive_terms - negative_terms) @ labels.T
        cost = class_cost - self.iou_weight * torch.log(iou + _EPS)
        cost = cost + (~(in_box & in_center)[rows]).float() * _FAR
        found, is_positive = dynamic_k_matching(cost, iou, self.topk)
        matches[rows], positive[rows] = found, is_positive
        quality[rows] = iou.gather(1, found[:, None]).squeeze(1) * is_positive
        return matches, positive, quality
