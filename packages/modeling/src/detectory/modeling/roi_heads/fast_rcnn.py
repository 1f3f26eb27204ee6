"""The last layer of Fast R-CNN: classes and boxes of regions."""

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

from .box_inference import fast_rcnn_inference
from .federated_loss import federated_classes, sigmoid_cross_entropy
from .training_statistics import log_classification_stats

Predictions = tuple[Tensor, Tensor]


class FastRCNNOutputLayers(nn.Module):
    """Two linear layers: scores of `K` classes and the background, and box deltas.

    Args:
        input_shape: Shape of a region's features, or their number.
        box2box_transform: What the deltas mean; its weights set the numbers `D` of a box.
        num_classes: `K`.
        test_score_thresh: Detections must score higher.
        test_nms_thresh: IoU above which the lesser of two detections of a class goes.
        test_topk_per_image: Most detections of an image; negative for all.
        cls_agnostic_bbox_reg: One box a region instead of one a class.
        smooth_l1_beta: Where smooth L1 turns linear; 0 is plain L1.
        box_reg_loss_type: `"smooth_l1"`, `"giou"`, `"diou"` or `"ciou"`.
        loss_weight: Factor of both losses, or of each by name (`"loss_cls"`, `"loss_box_reg"`).
        use_fed_loss: Let the sigmoid loss look at some classes of a batch only (LVIS); needs `use_sigmoid_ce`.
        use_sigmoid_ce: Independent sigmoids instead of a softmax.
        get_fed_loss_cls_weights: Returns the weight `(K,)` by which a class is drawn for the federated loss.
        fed_loss_num_classes: Classes of a batch that the federated loss looks at.

    Source: Girshick, "Fast R-CNN", 2015, section 2; Zhou et al., "Probabilistic two-stage detection", 2021
        (federated loss).
    """

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
        if num_classes < 1:
            raise ValueError(f"{type(self).__name__}: num_classes must be positive, got {num_classes}")
        shape = ShapeSpec(channels=input_shape) if isinstance(input_shape, int) else input_shape
        size = shape.channels * (shape.width or 1) * (shape.height or 1)
        boxes = 1 if cls_agnostic_bbox_reg else num_classes
        self.cls_score = nn.Linear(size, num_classes + 1)
        self.bbox_pred = nn.Linear(size, boxes * len(box2box_transform.weights))
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

    def _keep_class_weights(self, get_weights: Callable[[], Tensor] | None) -> None:
        if not self.use_sigmoid_ce:
            raise ValueError("FastRCNNOutputLayers: use_fed_loss needs use_sigmoid_ce=True")
        if get_weights is None:
            raise ValueError("FastRCNNOutputLayers: use_fed_loss needs get_fed_loss_cls_weights")
        weights = get_weights()
        if weights.shape != (self.num_classes,):
            raise ValueError(
                f"FastRCNNOutputLayers: get_fed_loss_cls_weights must return {self.num_classes} weights,"
                f" got shape {tuple(weights.shape)}"
            )
        self.register_buffer("fed_loss_cls_weights", weights)

    def forward(self, x: Tensor) -> Predictions:
        """Map region features `(R, …)` to scores `(R, K + 1)`, background last, and deltas `(R, K * D)`.

        Class-agnostic deltas have shape `(R, D)`.
        """
        x = torch.flatten(x, start_dim=1) if x.dim() > 2 else x
        return self.cls_score(x), self.bbox_pred(x)

    def losses(self, predictions: Predictions, proposals: Sequence[Instances]) -> dict[str, Tensor]:
        """Return `loss_cls` and `loss_box_reg`.

        Args:
            predictions: Scores and deltas of all regions of the batch.
            proposals: For every image its regions, with `proposal_boxes`, `gt_boxes` and `gt_classes`.
        """
        scores, deltas = predictions
        if proposals:
            classes = torch.cat([p.gt_classes for p in proposals])
            boxes = torch.cat([p.proposal_boxes.tensor for p in proposals])
            # An image without objects has no ground-truth boxes; its regions are all background.
            truths = [(p.gt_boxes if p.has("gt_boxes") else p.proposal_boxes).tensor for p in proposals]
            targets = torch.cat(truths)
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
        """Return the classes of a batch for the federated loss, see `federated_classes`."""
        return federated_classes(gt_classes, num_fed_loss_classes, num_classes, weight)

    def sigmoid_cross_entropy_loss(self, pred_class_logits: Tensor, gt_classes: Tensor) -> Tensor:
        """Return the sigmoid loss of logits `(R, K + 1)` for classes `(R,)`, per region."""
        chosen = None
        if self.use_fed_loss and gt_classes.numel():
            chosen = self.get_fed_loss_classes(
                gt_classes, self.fed_loss_num_classes, self.num_classes, self.fed_loss_cls_weights
            )
        return sigmoid_cross_entropy(pred_class_logits, gt_classes, chosen)

    def box_reg_loss(self, proposal_boxes: Tensor, gt_boxes: Tensor, pred_deltas: Tensor, gt_classes: Tensor) -> Tensor:
        """Return the regression loss of the foreground regions, per region of either kind.

        Dividing by all regions gives every foreground region the same influence in every batch,
        however many foreground regions there are.

        Args:
            proposal_boxes: `(R, D)`.
            gt_boxes: `(R, D)`.
            pred_deltas: `(R, D)` or `(R, K * D)`.
            gt_classes: `(R,)`.
        """
        numbers = proposal_boxes.shape[1]
        foreground = ((gt_classes >= 0) & (gt_classes < self.num_classes)).nonzero().squeeze(1)
        if pred_deltas.shape[1] == numbers:
            deltas = pred_deltas[foreground]
        else:
            deltas = pred_deltas.view(-1, self.num_classes, numbers)[foreground, gt_classes[foreground]]
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
        """Return detections of every image and, for each, the index of its region; see `fast_rcnn_inference`."""
        return fast_rcnn_inference(
            self.predict_boxes(predictions, proposals),
            self.predict_probs(predictions, proposals),
            [p.image_size for p in proposals],
            self.test_score_thresh,
            self.test_nms_thresh,
            self.test_topk_per_image,
        )

    def predict_boxes(self, predictions: Predictions, proposals: Sequence[Instances]) -> tuple[Tensor, ...]:
        """Return for every image its boxes `(R_i, K * D)`, or `(R_i, D)` if class-agnostic."""
        if not proposals:
            return ()
        boxes = torch.cat([p.proposal_boxes.tensor for p in proposals])
        return self.box2box_transform.apply_deltas(predictions[1], boxes).split(_counts(proposals))

    def predict_boxes_for_gt_classes(
        self, predictions: Predictions, proposals: Sequence[Instances]
    ) -> tuple[Tensor, ...]:
        """Return for every image the boxes `(R_i, D)` of its regions' own classes `gt_classes`.

        A background region gets the box of an arbitrary class.
        """
        per_image = self.predict_boxes(predictions, proposals)
        if not proposals or self.cls_agnostic_bbox_reg:
            return per_image
        numbers = len(self.box2box_transform.weights)
        chosen = []
        for boxes, proposal in zip(per_image, proposals, strict=True):
            classes = proposal.gt_classes.clamp(0, self.num_classes - 1)
            rows = torch.arange(len(boxes), device=boxes.device)
            chosen.append(boxes.view(-1, self.num_classes, numbers)[rows, classes])
        return tuple(chosen)

    def predict_probs(self, predictions: Predictions, proposals: Sequence[Instances]) -> tuple[Tensor, ...]:
        """Return for every image the probabilities `(R_i, K + 1)` of its regions."""
        scores = predictions[0]
        probabilities = scores.sigmoid() if self.use_sigmoid_ce else F.softmax(scores, dim=-1)
        return probabilities.split(_counts(proposals))


def _counts(proposals: Sequence[Instances]) -> list[int]:
    """Return the number of every image's regions; read off the tensors, it stays symbolic while a graph is recorded."""
    return [p.proposal_boxes.tensor.shape[0] for p in proposals]
