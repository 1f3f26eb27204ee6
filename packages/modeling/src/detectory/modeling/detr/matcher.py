"""Assignment of predictions to objects, one to one, with the lowest total cost."""

from collections.abc import Sequence

import torch
from torch import Tensor

from detectory.structures import Boxes, Instances, pairwise_iou


class HungarianMatcher:
    """Assign a prediction to every object so that the sum of the costs is minimal.

    The cost of a pair is a weighted sum of the negative class probability, the L1 distance of the normalized boxes, and
    the negative generalized IoU.

    Args:
        class_cost: Weight of the class probability.
        box_cost: Weight of the L1 distance.
        giou_cost: Weight of the generalized IoU.

    Source: Carion et al., "End-to-End Object Detection with Transformers", 2020, section 3.1.
    """

    def __init__(self, class_cost: float = 1.0, box_cost: float = 5.0, giou_cost: float = 2.0) -> None:
        self.class_cost = class_cost
        self.box_cost = box_cost
        self.giou_cost = giou_cost

    @torch.no_grad()
    def __call__(
        self, probabilities: Tensor, boxes: Tensor, targets: Sequence[Instances]
    ) -> list[tuple[Tensor, Tensor]]:
        """Match the predictions of a batch.

        Args:
            probabilities: `(B, Q, K)` or `(B, Q, K + 1)`.
            boxes: `(B, Q, 4)` normalized boxes `(cx, cy, width, height)`.
            targets: `Instances` with `gt_boxes` and `gt_classes` for each image.

        Returns:
            For each image the indices of the matched predictions and of their objects, both int64.

        Raises:
            ImportError: If SciPy, whose solver is used, is not installed.
            FloatingPointError: If a prediction is infinite or NaN.
        """
        try:
            from scipy.optimize import linear_sum_assignment
        except ModuleNotFoundError as error:
            raise ImportError("training of DETR needs SciPy: pip install 'detectory-modeling[detr]'") from error
        matches = []
        for image_probabilities, image_boxes, instances in zip(probabilities, boxes, targets, strict=True):
            cost = self._cost(image_probabilities, image_boxes, instances)
            if not bool(cost.isfinite().all()):
                raise FloatingPointError("HungarianMatcher: predictions contain infinite values or NaN")
            rows, columns = linear_sum_assignment(cost.cpu().numpy())
            device = boxes.device
            matches.append((torch.as_tensor(rows, device=device), torch.as_tensor(columns, device=device)))
        return matches

    def _cost(self, probabilities: Tensor, boxes: Tensor, instances: Instances) -> Tensor:
        """Return the costs `(Q, M)` of all pairs of an image."""
        wanted = normalized_boxes(instances)
        distance = torch.cdist(boxes.float(), wanted, p=1)
        giou = _pairwise_giou(corners_of(boxes.float()), corners_of(wanted))
        classes = self._class_cost(probabilities.float())[:, instances.gt_classes]
        return self.box_cost * distance + self.class_cost * classes - self.giou_cost * giou

    def _class_cost(self, probabilities: Tensor) -> Tensor:
        """Return the costs of all predictions and classes `(Q, K)`."""
        return -probabilities


class FocalHungarianMatcher(HungarianMatcher):
    """`HungarianMatcher` for sigmoid probabilities, with the focal loss as class cost.

    The cost is the focal loss of the class minus that of its absence.

    Args:
        class_cost: Weight of the class cost.
        box_cost: Weight of the L1 distance.
        giou_cost: Weight of the generalized IoU.
        alpha: Weight of the class; its absence has the weight `1 - alpha`.
        gamma: Exponent that reduces the loss of well-classified predictions.

    Source: Zhu et al., "Deformable DETR", 2021, appendix A.4.
    """

    def __init__(
        self,
        class_cost: float = 2.0,
        box_cost: float = 5.0,
        giou_cost: float = 2.0,
        alpha: float = 0.25,
        gamma: float = 2.0,
    ) -> None:
        super().__init__(class_cost, box_cost, giou_cost)
        self.alpha = alpha
        self.gamma = gamma

    def _class_cost(self, probabilities: Tensor) -> Tensor:
        absent = -(1 - probabilities + 1e-12).log() * (1 - self.alpha) * probabilities.pow(self.gamma)
        present = -(probabilities + 1e-12).log() * self.alpha * (1 - probabilities).pow(self.gamma)
        return present - absent


def normalized_boxes(instances: Instances) -> Tensor:
    """Return the ground-truth boxes as `(cx, cy, width, height)`, divided by the size of the image: `(M, 4)`."""
    height, width = instances.image_size
    corners = instances.gt_boxes.tensor
    scale = corners.new_tensor([width, height, width, height])
    centers, sizes = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    return torch.cat((centers, sizes), dim=1) / scale


def corners_of(boxes: Tensor) -> Tensor:
    """Convert boxes `(…, 4)` from `(cx, cy, width, height)` to `(x1, y1, x2, y2)`."""
    centers, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat((centers - half, centers + half), dim=-1)


def _pairwise_giou(first: Tensor, second: Tensor) -> Tensor:
    """Return the generalized IoU of all pairs of boxes `(N, 4)` and `(M, 4)`."""
    iou = pairwise_iou(Boxes(first), Boxes(second))
    lower = torch.minimum(first[:, None, :2], second[:, :2])
    upper = torch.maximum(first[:, None, 2:], second[:, 2:])
    hull = (upper - lower).prod(dim=2).clamp(min=1e-12)
    areas = Boxes(first).area()[:, None] + Boxes(second).area()
    union = areas / (1 + iou)  # since iou = intersection / union and union = areas - intersection
    return iou - (hull - union) / hull
