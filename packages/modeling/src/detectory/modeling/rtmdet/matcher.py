"""Assignment of RTMDet: costs from soft labels, IoUs and a soft center prior."""

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.modeling.yolo.dynamic_assignment import dynamic_k_matching
from detectory.structures import Boxes, pairwise_iou

_EPS = 1e-7


class DynamicSoftLabelMatcher:
    """Assignment of cells to objects with a dynamic number of positives per object.

    Candidates are the cells with a center inside an object. The cost is the sum of the quality focal loss with the IoU
    as target, of `-iou_weight * log(IoU)`, and of `10 ** (distance - radius)`, where the distance between cell and
    center is measured in strides.

    Args:
        radius: Distance from the center in strides from which the last term exceeds 1.
        topk: Number of IoUs that determine the number of positives.
        iou_weight: Factor of the IoU cost.

    Source: Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022, equations 2 to 5.
    """

    def __init__(self, radius: float = 3.0, topk: int = 13, iou_weight: float = 3.0) -> None:
        self.radius = radius
        self.topk = topk
        self.iou_weight = iou_weight

    @torch.no_grad()
    def __call__(
        self,
        points: Tensor,
        strides: Tensor,
        logits: Tensor,
        boxes: Tensor,
        gt_boxes: Boxes,
        gt_classes: Tensor,
        gt_centers: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Match the `R` cells of all levels with `M` objects.

        Args:
            points: `(R, 2)` reference points of the cells.
            strides: `(R,)` strides of their levels.
            logits: `(R, K)` class logits.
            boxes: `(R, 4)` predicted boxes.
            gt_boxes: The objects.
            gt_classes: `(M,)` their classes.
            gt_centers: `(M, 2)` their centers; by default the centers of the boxes.

        Returns:
            The index of the matched object, `(R,)` int64; whether a cell is positive, `(R,)` bool; and the IoU with the
            matched object, `(R,)`, 0 for negative cells.
        """
        matches = torch.zeros(len(points), dtype=torch.int64, device=points.device)
        positive = torch.zeros(len(points), dtype=torch.bool, device=points.device)
        quality = torch.zeros(len(points), device=points.device)
        corners = gt_boxes.tensor
        inside = ((points[:, None] > corners[:, :2]) & (points[:, None] < corners[:, 2:])).all(dim=2)
        rows = inside.any(dim=1).nonzero().squeeze(1)
        if not len(rows):
            return matches, positive, quality
        iou = pairwise_iou(Boxes(boxes[rows].float()), gt_boxes)
        cost = self._class_cost(logits[rows].float(), iou, gt_classes) - self.iou_weight * torch.log(iou + _EPS)
        centers = gt_boxes.get_centers() if gt_centers is None else gt_centers
        distance = torch.cdist(points[rows], centers) / strides[rows, None]
        cost = cost + torch.pow(10.0, distance - self.radius)
        found, is_positive = dynamic_k_matching(cost, iou, self.topk)
        matches[rows], positive[rows] = found, is_positive
        quality[rows] = iou.gather(1, found[:, None]).squeeze(1) * is_positive
        return matches, positive, quality

    @staticmethod
    def _class_cost(logits: Tensor, iou: Tensor, gt_classes: Tensor) -> Tensor:
        """Return the quality focal losses `(N, M)` of all pairs; the target of the object's class is the IoU."""
        zero = torch.zeros((), device=logits.device)
        background = F.binary_cross_entropy_with_logits(logits, zero.expand_as(logits), reduction="none")
        background = background * logits.sigmoid().square()  # (N, K)
        own = logits[:, gt_classes]  # (N, M)
        foreground = F.binary_cross_entropy_with_logits(own, iou, reduction="none") * (own.sigmoid() - iou).square()
        return background.sum(dim=1, keepdim=True) - background[:, gt_classes] + foreground
