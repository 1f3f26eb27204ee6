"""Output layers of box heads."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import Linear, ShapeSpec, batched_nms, cat, cross_entropy, nonzero_tuple
from detectory.compat.detectron2.modeling.box_regression import _dense_box_regression_loss
from detectory.compat.detectron2.utils.events import get_event_storage
from detectory.data.class_weights import get_fed_loss_cls_weights
from detectory.modeling import roi_heads as native
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.roi_heads import fast_rcnn_inference, fast_rcnn_inference_single_image
from detectory.modeling.roi_heads.training_statistics import log_classification_stats as _log_classification_stats

__all__ = [
    "Box2BoxTransform",
    "FastRCNNOutputLayers",
    "FastRCNNOutputs",
    "Linear",
    "ShapeSpec",
    "_dense_box_regression_loss",
    "_log_classification_stats",
    "batched_nms",
    "cat",
    "cross_entropy",
    "fast_rcnn_inference",
    "fast_rcnn_inference_single_image",
    "get_event_storage",
    "nonzero_tuple",
]


class FastRCNNOutputLayers(native.FastRCNNOutputLayers):
    """`detectory.modeling.roi_heads.FastRCNNOutputLayers` that can also be built from a config."""

    __init__ = configurable(native.FastRCNNOutputLayers.__init__)

    def _check_num_classes(self, num_classes: int) -> None:
        """Accept -1 too, which programs pass that replace the classifier afterwards."""
        if num_classes != -1:
            super()._check_num_classes(num_classes)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict[str, Any]:
        """Read the arguments from `MODEL.ROI_BOX_HEAD`, `MODEL.ROI_HEADS` and `TEST`."""
        settings = cfg.MODEL.ROI_BOX_HEAD
        return {
            "input_shape": input_shape,
            "box2box_transform": Box2BoxTransform(weights=settings.BBOX_REG_WEIGHTS),
            "num_classes": cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            "cls_agnostic_bbox_reg": settings.CLS_AGNOSTIC_BBOX_REG,
            "smooth_l1_beta": settings.SMOOTH_L1_BETA,
            "test_score_thresh": cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST,
            "test_nms_thresh": cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST,
            "test_topk_per_image": cfg.TEST.DETECTIONS_PER_IMAGE,
            "box_reg_loss_type": settings.BBOX_REG_LOSS_TYPE,
            "loss_weight": {"loss_box_reg": settings.BBOX_REG_LOSS_WEIGHT},
            "use_fed_loss": settings.USE_FED_LOSS,
            "use_sigmoid_ce": settings.USE_SIGMOID_CE,
            "get_fed_loss_cls_weights": partial(
                get_fed_loss_cls_weights, cfg.DATASETS.TRAIN, settings.FED_LOSS_FREQ_WEIGHT_POWER
            ),
            "fed_loss_num_classes": settings.FED_LOSS_NUM_CLASSES,
        }


class FastRCNNOutputs:
    """Predictions of a box head as one object, the interface of early Detectron2 versions.

    Args:
        box2box_transform: Box transform of the predicted deltas.
        pred_class_logits: `(R, K + 1)`.
        pred_proposal_deltas: `(R, 4)` or `(R, K * 4)`.
        proposals: Instances per image with `proposal_boxes`, and in training `gt_classes` and `gt_boxes`.
        smooth_l1_beta: Threshold of the smooth L1 loss.
        box_reg_loss_type: "smooth_l1" or "giou".
    """

    def __init__(
        self,
        box2box_transform: Any,
        pred_class_logits: Tensor,
        pred_proposal_deltas: Tensor,
        proposals: Sequence[Any],
        smooth_l1_beta: float = 0.0,
        box_reg_loss_type: str = "smooth_l1",
    ) -> None:
        self.box2box_transform = box2box_transform
        self.num_preds_per_image = [len(p) for p in proposals]
        self.pred_class_logits = pred_class_logits
        self.pred_proposal_deltas = pred_proposal_deltas
        self.image_shapes = [p.image_size for p in proposals]
        self._proposals = list(proposals)
        self._layers = FastRCNNOutputLayers(
            ShapeSpec(channels=1),
            box2box_transform=box2box_transform,
            num_classes=pred_class_logits.shape[1] - 1,
            cls_agnostic_bbox_reg=pred_proposal_deltas.shape[1] == 4,
            smooth_l1_beta=smooth_l1_beta,
            box_reg_loss_type=box_reg_loss_type,
        )

    def losses(self) -> dict[str, Tensor]:
        """Return `loss_cls` and `loss_box_reg`, as computed by the methods of these losses."""
        return {"loss_cls": self.softmax_cross_entropy_loss(), "loss_box_reg": self.box_reg_loss()}

    def softmax_cross_entropy_loss(self) -> Tensor:
        """Return the classification loss."""
        self._log_accuracy()
        classes = self._ground_truth("gt_classes")
        return cross_entropy(self.pred_class_logits, classes, reduction="mean")

    def box_reg_loss(self) -> Tensor:
        """Return the box regression loss of the foreground."""
        classes = self._ground_truth("gt_classes")
        boxes = [cat([p.get(name).tensor for p in self._proposals]) for name in ("proposal_boxes", "gt_boxes")]
        return self._layers.box_reg_loss(*boxes, self.pred_proposal_deltas, classes)

    def smooth_l1_loss(self) -> Tensor:
        """Return the box regression loss; the name of even older versions."""
        return self.box_reg_loss()

    def _log_accuracy(self) -> None:
        """Log the accuracy of the classification to the event storage."""
        _log_classification_stats(self.pred_class_logits, self._ground_truth("gt_classes"))

    def _ground_truth(self, field: str) -> Tensor:
        return cat([p.get(field) for p in self._proposals])

    def predict_boxes_for_gt_classes(self) -> tuple[Tensor, ...]:
        """Return the boxes of the ground-truth classes of every image, `(R_i, 4)`."""
        predictions = (self.pred_class_logits, self.pred_proposal_deltas)
        return self._layers.predict_boxes_for_gt_classes(predictions, self._proposals)

    def _predict_boxes(self) -> Tensor:
        """Return the boxes of all images, `(R, 4)` or `(R, K * 4)`."""
        return cat(self.predict_boxes())

    def predict_boxes(self) -> tuple[Tensor, ...]:
        """Return the boxes of every image, `(R_i, 4)` or `(R_i, K * 4)`."""
        return self._layers.predict_boxes((self.pred_class_logits, self.pred_proposal_deltas), self._proposals)

    def predict_probs(self) -> tuple[Tensor, ...]:
        """Return the probabilities of every image, `(R_i, K + 1)`."""
        return self._layers.predict_probs((self.pred_class_logits, self.pred_proposal_deltas), self._proposals)

    def inference(self, score_thresh: float, nms_thresh: float, topk_per_image: int) -> Any:
        """Return detections per image and the indices of their proposals."""
        return fast_rcnn_inference(
            self.predict_boxes(), self.predict_probs(), self.image_shapes, score_thresh, nms_thresh, topk_per_image
        )
