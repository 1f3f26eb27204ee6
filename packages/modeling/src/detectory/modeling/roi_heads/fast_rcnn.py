"""Output layers of Fast R-CNN: classification and box regression of regions, with their losses."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.box_regression import (
    Box2BoxTransform,
    Box2BoxTransformRotated,
    box_regression_loss,
    check_box_reg_loss_type,
)
from detectory.modeling.layers import ShapeSpec, cross_entropy
from detectory.structures import Instances

from .box_inference import BatchInference, fast_rcnn_inference
from .federated_loss import federated_classes, sigmoid_cross_entropy
from .training_statistics import log_classification_stats

Predictions = tuple[Tensor, Tensor]


class FastRCNNOutputLayers(nn.Module):
    """Two linear layers: one for the scores of `K` classes and the background, one for the box deltas.

    Args:
        input_shape: Shape of the features of a region, or their number.
        box2box_transform: Parametrization of the deltas; the number of its weights is the number `D` of box
            coordinates.
        num_classes: Number of classes without the background, `K`.
        test_score_thresh: Score threshold of the detections, exclusive.
        test_nms_thresh: IoU threshold of the NMS within each class.
        test_topk_per_image: Maximum number of detections per image; a negative number for no limit.
        cls_agnostic_bbox_reg: Whether to predict one box per region instead of one per region and class.
        smooth_l1_beta: Threshold between the quadratic and the linear part of smooth L1; 0 is plain L1.
        box_reg_loss_type: `"smooth_l1"`, `"giou"`, `"diou"` or `"ciou"`.
        loss_weight: Factor of both losses, or the factors by name (`"loss_cls"`, `"loss_box_reg"`).
        use_fed_loss: Whether to use the federated loss; requires `use_sigmoid_ce`.
        use_sigmoid_ce: Whether to use independent sigmoids instead of a softmax.
        get_fed_loss_cls_weights: Function that returns the sampling weights `(K,)` of the federated loss.
        fed_loss_num_classes: Number of classes per batch in the federated loss.

    Raises:
        ValueError: If an argument is invalid, or the arguments of the federated loss are incomplete.

    Source: Girshick, "Fast R-CNN", 2015, section 2; Zhou et al., "Probabilistic two-stage detection", 2021 (federated
        loss).
    """

    # `RotatedFastRCNNOutputLayers` overrides it.
    _inference: BatchInference = staticmethod(fast_rcnn_inference)

    def __init__(
        self,
        input_shape: ShapeSpec | int,
        *,
        box2box_transform: Box2BoxTransform | Box2BoxTransformRotated,
        num_classes: int,
        test_score_thresh: float = 0.0,
        test_nms_thresh: float = 0.5,
        test_topk_per_image: int = 100,
        cls_agnostic_bbox_reg: bool = False,
        smooth_l1_beta: float = 0.0,
        box_reg_loss_type: str = "smooth_l1",
        loss_weight: float | Mapping[str, float] = 1.0,
        use_fed_loss: bool = False,
        use_sigmoid_ce: bool = False,
        get_fed_loss_cls_weights: Callable[[], Tensor] | None = None,
        fed_loss_num_classes: int = 50,
    ) -> None:
        super().__init__()
        self._check_num_classes(num_classes)
        shape = ShapeSpec(channels=input_shape) if isinstance(input_shape, int) else input_shape
        size = shape.channels * (shape.width or 1) * (shape.height or 1)
        num_boxes = 1 if cls_agnostic_bbox_reg else num_classes
        self.cls_score = nn.Linear(size, num_classes + 1)
        self.bbox_pred = nn.Linear(size, num_boxes * len(box2box_transform.weights))
        nn.init.normal_(self.cls_score.weight, std=0.01)
        nn.init.normal_(self.bbox_pred.weight, std=0.001)
        for layer in (self.cls_score, self.bbox_pred):
            nn.init.zeros_(layer.bias)
        self.num_classes = num_classes
        self.box2box_transform = box2box_transform
        self.test_score_thresh = test_score_thresh
        self.test_nms_thresh = test_nms_thresh
        self.test_topk_per_image = test_topk_per_image
        self.cls_agnostic_bbox_reg = cls_agnostic_bbox_reg
        self.smooth_l1_beta = smooth_l1_beta
        self.box_reg_loss_type = check_box_reg_loss_type(box_reg_loss_type)
        names = ("loss_cls", "loss_box_reg")
        self.loss_weight = dict(loss_weight) if isinstance(loss_weight, Mapping) else dict.fromkeys(names, loss_weight)
        self.use_fed_loss = use_fed_loss
        self.use_sigmoid_ce = use_sigmoid_ce
        self.fed_loss_num_classes = fed_loss_num_classes
        self.fed_loss_cls_weights: Tensor
        if use_fed_loss:
            self._keep_class_weights(get_fed_loss_cls_weights)

    def _check_num_classes(self, num_classes: int) -> None:
        if num_classes < 1:
            raise ValueError(f"{type(self).__name__}: num_classes must be positive, got {num_classes}")

    def _keep_class_weights(self, get_weights: Callable[[], Tensor] | None) -> None:
        """Check the arguments of the federated loss, and register the sampling weights."""
        if not self.use_sigmoid_ce:
            raise ValueError("FastRCNNOutputLayers: use_fed_loss requires use_sigmoid_ce=True")
        if get_weights is None:
            raise ValueError("FastRCNNOutputLayers: use_fed_loss requires get_fed_loss_cls_weights")
        weights = get_weights()
        if weights.shape != (self.num_classes,):
            raise ValueError(
                f"FastRCNNOutputLayers: get_fed_loss_cls_weights must return {self.num_classes} weights,"
                f" got shape {tuple(weights.shape)}"
            )
        self.register_buffer("fed_loss_cls_weights", weights)

    def forward(self, x: Tensor) -> Predictions:
        """Predict scores and deltas of regions.

        Args:
            x: Region features `(R, …)`.

        Returns:
            Class logits `(R, K + 1)`, the background last; and deltas `(R, K * D)`, or `(R, D)` if class-agnostic.
        """
        x = torch.flatten(x, start_dim=1) if x.dim() > 2 else x
        return self.cls_score(x), self.bbox_pred(x)

    def losses(self, predictions: Predictions, proposals: Sequence[Instances]) -> dict[str, Tensor]:
        """Return the losses of the predictions.

        Args:
            predictions: Scores and deltas of the regions of all images.
            proposals: For each image its regions with `proposal_boxes`, `gt_boxes` and `gt_classes`.

        Returns:
            The scalars `loss_cls` and `loss_box_reg`.
        """
        scores, deltas = predictions
        if proposals:
            classes = torch.cat([p.gt_classes for p in proposals])
            boxes = torch.cat([p.proposal_boxes.tensor for p in proposals])
            # Images without objects have no `gt_boxes`. Their regions are all background, without a regression loss:
            # any boxes of the right shape will do.
            targets = torch.cat([(p.gt_boxes if p.has("gt_boxes") else p.proposal_boxes).tensor for p in proposals])
        else:
            classes = torch.empty(0, dtype=torch.int64, device=scores.device)
            boxes = targets = deltas.new_empty((0, len(self.box2box_transform.weights)))
        log_classification_stats(scores, classes)
        if self.use_sigmoid_ce:
            classification = self.sigmoid_cross_entropy_loss(scores, classes)
        else:
            classification = cross_entropy(scores, classes, reduction="mean")
        losses = {
            "loss_cls": classification,
            "loss_box_reg": self.box_reg_loss(boxes, targets, deltas, classes),
        }
        return {name: value * self.loss_weight.get(name, 1.0) for name, value in losses.items()}

    def get_fed_loss_classes(
        self, gt_classes: Tensor, num_fed_loss_classes: int, num_classes: int, weight: Tensor | None
    ) -> Tensor:
        """Return the classes of the federated loss for a batch; see `federated_classes`."""
        return federated_classes(gt_classes, num_fed_loss_classes, num_classes, weight)

    def sigmoid_cross_entropy_loss(self, pred_class_logits: Tensor, gt_classes: Tensor) -> Tensor:
        """Return the mean sigmoid loss of logits `(R, K + 1)` with ground-truth classes `(R,)`."""
        classes = None
        if self.use_fed_loss and gt_classes.numel():
            classes = self.get_fed_loss_classes(
                gt_classes, self.fed_loss_num_classes, self.num_classes, self.fed_loss_cls_weights
            )
        return sigmoid_cross_entropy(pred_class_logits, gt_classes, classes)

    def box_reg_loss(self, proposal_boxes: Tensor, gt_boxes: Tensor, pred_deltas: Tensor, gt_classes: Tensor) -> Tensor:
        """Return the regression loss of the foreground regions, divided by the number of all regions.

        The division by all regions, background included, means that each foreground region has the same weight in every
        batch. Division by the number of foreground regions would increase the weight of each of them in batches that
        contain few.

        Args:
            proposal_boxes: `(R, D)`.
            gt_boxes: `(R, D)`.
            pred_deltas: `(R, K * D)`, or `(R, D)` if class-agnostic.
            gt_classes: `(R,)`.

        Returns:
            A scalar.
        """
        box_dim = proposal_boxes.shape[1]
        foreground = ((gt_classes >= 0) & (gt_classes < self.num_classes)).nonzero().squeeze(1)
        if pred_deltas.shape[1] == box_dim:
            deltas = pred_deltas[foreground]
        else:
            deltas = pred_deltas.view(-1, self.num_classes, box_dim)[foreground, gt_classes[foreground]]
        loss = box_regression_loss(
            proposal_boxes[foreground],
            self.box2box_transform,
            deltas,
            gt_boxes[foreground],
            self.box_reg_loss_type,
            self.smooth_l1_beta,
        )
        return loss / max(gt_classes.numel(), 1.0)

    def inference(
        self, predictions: Predictions, proposals: Sequence[Instances]
    ) -> tuple[list[Instances], list[Tensor]]:
        """Return the detections of each image, and the indices of their regions; see `fast_rcnn_inference`."""
        return self._inference(
            self.predict_boxes(predictions, proposals),
            self.predict_probs(predictions, proposals),
            [p.image_size for p in proposals],
            self.test_score_thresh,
            self.test_nms_thresh,
            self.test_topk_per_image,
        )

    def predict_boxes(self, predictions: Predictions, proposals: Sequence[Instances]) -> tuple[Tensor, ...]:
        """Return the decoded boxes of each image, `(R_i, K * D)`, or `(R_i, D)` if class-agnostic."""
        if not proposals:
            return ()
        boxes = torch.cat([p.proposal_boxes.tensor for p in proposals])
        return self.box2box_transform.apply_deltas(predictions[1], boxes).split(_counts(proposals))

    def predict_boxes_for_gt_classes(
        self, predictions: Predictions, proposals: Sequence[Instances]
    ) -> tuple[Tensor, ...]:
        """Return the boxes `(R_i, D)` of the ground-truth classes, for each image.

        The boxes of background regions belong to an arbitrary class.
        """
        per_image = self.predict_boxes(predictions, proposals)
        if not proposals or self.cls_agnostic_bbox_reg:
            return per_image
        box_dim = len(self.box2box_transform.weights)
        gt_class_boxes = []
        for boxes, regions in zip(per_image, proposals, strict=True):
            classes = regions.gt_classes.clamp(0, self.num_classes - 1)
            indices = torch.arange(len(boxes), device=boxes.device)
            gt_class_boxes.append(boxes.view(-1, self.num_classes, box_dim)[indices, classes])
        return tuple(gt_class_boxes)

    def predict_probs(self, predictions: Predictions, proposals: Sequence[Instances]) -> tuple[Tensor, ...]:
        """Return the class probabilities `(R_i, K + 1)` of each image."""
        scores = predictions[0]
        probabilities = scores.sigmoid() if self.use_sigmoid_ce else F.softmax(scores, dim=-1)
        return probabilities.split(_counts(proposals))


def _counts(proposals: Sequence[Instances]) -> list[int]:
    """Return the number of regions of each image, from tensor shapes, so that it remains symbolic in a traced graph."""
    return [p.proposal_boxes.tensor.shape[0] for p in proposals]
