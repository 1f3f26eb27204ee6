"""MMDetection's Mask R-CNN, trained with Detectory's loaders; requires the package mmdet.

The values are those of `mask_rcnn_r50_fpn` in MMDetection 2.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.zoo.parts.config import whole_config
from detectory.zoo.parts.loaders import coco_loaders
from detectory.zoo.parts.resnet import BGR_MEAN, RGB_MEAN, RGB_STD
from detectory.zoo.parts.training import sgd, steps_1x, train_options
from detectory.zoo.recipes.recipe_table import recipe

_BACKBONE = {
    "depth": 50,
    "frozen_stages": 1,
    "norm_cfg": {"requires_grad": True, "type": "BN"},
    "norm_eval": True,
    "num_stages": 4,
    "out_indices": [0, 1, 2, 3],
    "style": "pytorch",
    "type": "ResNet",
}

_NECK = {"in_channels": [256, 512, 1024, 2048], "num_outs": 5, "out_channels": 256, "type": "FPN"}

_RPN_HEAD = {
    "anchor_generator": {
        "ratios": [0.5, 1.0, 2.0],
        "scales": [8],
        "strides": [4, 8, 16, 32, 64],
        "type": "AnchorGenerator",
    },
    "bbox_coder": {
        "target_means": [0.0, 0.0, 0.0, 0.0],
        "target_stds": [1.0, 1.0, 1.0, 1.0],
        "type": "DeltaXYWHBBoxCoder",
    },
    "feat_channels": 256,
    "in_channels": 256,
    "loss_bbox": {"loss_weight": 1.0, "type": "L1Loss"},
    "loss_cls": {"loss_weight": 1.0, "type": "CrossEntropyLoss", "use_sigmoid": True},
    "type": "RPNHead",
}

_ROI_HEAD = {
    "bbox_head": {
        "bbox_coder": {
            "target_means": [0.0, 0.0, 0.0, 0.0],
            "target_stds": [0.1, 0.1, 0.2, 0.2],
            "type": "DeltaXYWHBBoxCoder",
        },
        "fc_out_channels": 1024,
        "in_channels": 256,
        "loss_bbox": {"loss_weight": 1.0, "type": "L1Loss"},
        "loss_cls": {"loss_weight": 1.0, "type": "CrossEntropyLoss", "use_sigmoid": False},
        "num_classes": 80,
        "reg_class_agnostic": False,
        "roi_feat_size": 7,
        "type": "Shared2FCBBoxHead",
    },
    "bbox_roi_extractor": {
        "featmap_strides": [4, 8, 16, 32],
        "out_channels": 256,
        "roi_layer": {"output_size": 7, "sampling_ratio": 0, "type": "RoIAlign"},
        "type": "SingleRoIExtractor",
    },
    "mask_head": {
        "conv_out_channels": 256,
        "in_channels": 256,
        "loss_mask": {"loss_weight": 1.0, "type": "CrossEntropyLoss", "use_mask": True},
        "num_classes": 80,
        "num_convs": 4,
        "type": "FCNMaskHead",
    },
    "mask_roi_extractor": {
        "featmap_strides": [4, 8, 16, 32],
        "out_channels": 256,
        "roi_layer": {"output_size": 14, "sampling_ratio": 0, "type": "RoIAlign"},
        "type": "SingleRoIExtractor",
    },
    "type": "StandardRoIHead",
}

_TRAIN_CFG = {
    "rcnn": {
        "assigner": {
            "ignore_iof_thr": -1,
            "match_low_quality": True,
            "min_pos_iou": 0.5,
            "neg_iou_thr": 0.5,
            "pos_iou_thr": 0.5,
            "type": "MaxIoUAssigner",
        },
        "debug": False,
        "mask_size": 28,
        "pos_weight": -1,
        "sampler": {
            "add_gt_as_proposals": True,
            "neg_pos_ub": -1,
            "num": 512,
            "pos_fraction": 0.25,
            "type": "RandomSampler",
        },
    },
    "rpn": {
        "allowed_border": -1,
        "assigner": {
            "ignore_iof_thr": -1,
            "match_low_quality": True,
            "min_pos_iou": 0.3,
            "neg_iou_thr": 0.3,
            "pos_iou_thr": 0.7,
            "type": "MaxIoUAssigner",
        },
        "debug": False,
        "pos_weight": -1,
        "sampler": {
            "add_gt_as_proposals": False,
            "neg_pos_ub": -1,
            "num": 256,
            "pos_fraction": 0.5,
            "type": "RandomSampler",
        },
    },
    "rpn_proposal": {
        "max_per_img": 1000,
        "min_bbox_size": 0,
        "nms": {"iou_threshold": 0.7, "type": "nms"},
        "nms_pre": 2000,
    },
}

_TEST_CFG = {
    "rcnn": {
        "mask_thr_binary": 0.5,
        "max_per_img": 100,
        "nms": {"iou_threshold": 0.5, "type": "nms"},
        "score_thr": 0.05,
    },
    "rpn": {
        "max_per_img": 1000,
        "min_bbox_size": 0,
        "nms": {"iou_threshold": 0.7, "type": "nms"},
        "nms_pre": 1000,
    },
}


def mmdet_mask_rcnn() -> DictConfig:
    """Return MMDetection's Mask R-CNN on a ResNet-50-FPN, wrapped as a Detectory model."""
    return LazyCall("detectory.modeling.mmdet_wrapper.MMDetDetector")(
        detector={
            "type": "MaskRCNN",
            "pretrained": "torchvision://resnet50",
            "backbone": _BACKBONE,
            "neck": _NECK,
            "rpn_head": _RPN_HEAD,
            "roi_head": _ROI_HEAD,
            "train_cfg": _TRAIN_CFG,
            "test_cfg": _TEST_CFG,
        },
        pixel_mean=RGB_MEAN,
        pixel_std=RGB_STD,
    )


@recipe("Misc/mmdet_mask_rcnn_R_50_FPN_1x")
def mmdet_mask_rcnn_r50_fpn_1x() -> DictConfig:
    """MMDetection's Mask R-CNN, ResNet-50-FPN, 12 epochs."""
    config = whole_config(
        model=mmdet_mask_rcnn(),
        dataloader=coco_loaders(image_format="RGB"),
        optimizer=sgd(),
        lr_multiplier=steps_1x(),
        train=train_options(None),
    )
    config.constants = {
        "imagenet_bgr256_mean": BGR_MEAN,
        "imagenet_bgr256_std": [1.0, 1.0, 1.0],
        "imagenet_rgb256_mean": RGB_MEAN,
        "imagenet_rgb256_std": RGB_STD,
    }
    return config
