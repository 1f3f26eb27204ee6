"""Output layers of box heads."""

from functools import partial
from typing import Any

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
