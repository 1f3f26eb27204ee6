"""Rejection of config settings with invalid values when a model is built."""

import pytest
import torch

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.modeling import build_model

MASK, RETINANET = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml", "COCO-Detection/retinanet_R_50_FPN_1x.yaml"
WRONG = [
    (MASK, "ANCHOR_GENERATOR.SIZES", [], r"sizes must be lists of positive numbers, got \[\]"),
    (MASK, "ANCHOR_GENERATOR.ASPECT_RATIOS", [0], r"aspect_ratios must be lists of positive numbers, got \[0\]"),
    (MASK, "RESNETS.DEFORM_ON_PER_STAGE", [True], r"DEFORM_ON_PER_STAGE must be four booleans"),
    (MASK, "RESNETS.NORM", "GroupNorm", "unknown norm 'GroupNorm'"),
    (MASK, "RPN.BBOX_REG_LOSS_TYPE", "glou", "unknown box_reg_loss_type 'glou'; did you mean 'giou'"),
    (MASK, "RPN.BATCH_SIZE_PER_IMAGE", 0, "RPN: batch_size_per_image must be positive, got 0"),
    (MASK, "RPN.POSITIVE_FRACTION", 25.0, r"RPN: positive_fraction must be in \[0, 1\], got 25.0"),
    (MASK, "ROI_HEADS.POSITIVE_FRACTION", float("nan"), r"StandardROIHeads: positive_fraction must be in \[0, 1\]"),
    (MASK, "ROI_HEADS.NUM_CLASSES", 0, "FastRCNNOutputLayers: num_classes must be positive, got 0"),
    (MASK, "ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE", "l2", "unknown box_reg_loss_type 'l2'"),
    (RETINANET, "RETINANET.BBOX_REG_LOSS_TYPE", "l2", "unknown box_reg_loss_type 'l2'"),
    (
        RETINANET,
        "RETINANET.PRIOR_PROB",
        1.0,
        r"num_classes must be positive and prior_prob in \(0, 1\), got 80 and 1.0",
    ),
    (RETINANET, "RETINANET.NUM_CLASSES", 0, r"num_classes must be positive and prior_prob in \(0, 1\), got 0 and 0.01"),
]


@pytest.mark.parametrize(("name", "key", "value", "message"), WRONG, ids=[key for _, key, _, _ in WRONG])
def test_rejects_invalid_settings_by_name(name, key, value, message):
    cfg = model_zoo.get_config(name)
    cfg.merge_from_list([f"MODEL.{key}", value, "MODEL.DEVICE", "meta"])
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        build_model(cfg)
