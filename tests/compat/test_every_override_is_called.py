"""Every step of Detectron2's models is called by building, training or inference, so that no override is ignored."""

import collections
import functools
import inspect

import numpy as np
import pytest
import torch

from detectory.compat.detectron2 import model_zoo, modeling
from detectory.compat.detectron2.modeling import build_model
from detectory.compat.detectron2.modeling import proposal_generator as proposals
from detectory.compat.detectron2.modeling import roi_heads as heads
from detectory.compat.detectron2.modeling.anchor_generator import DefaultAnchorGenerator, RotatedAnchorGenerator
from detectory.compat.detectron2.modeling.backbone import FPN, BasicBlock, BasicStem, ResNet
from detectory.compat.detectron2.modeling.box_regression import Box2BoxTransform, Box2BoxTransformRotated
from detectory.compat.detectron2.modeling.meta_arch.panoptic_fpn import PanopticFPN
from detectory.compat.detectron2.modeling.meta_arch.retinanet import RetinaNet, RetinaNetHead
from detectory.compat.detectron2.modeling.meta_arch.semantic_seg import SemSegFPNHead
from detectory.compat.detectron2.modeling.poolers import ROIPooler
from detectory.compat.detectron2.modeling.proposal_generator.rrpn import RRPN
from detectory.compat.detectron2.modeling.roi_heads.rotated_fast_rcnn import RotatedFastRCNNOutputLayers
from detectory.compat.detectron2.structures import Boxes, Instances, Keypoints, PolygonMasks, RotatedBoxes
from detectory.compat.detectron2.utils.events import EventStorage

SMALL = ["MODEL.RESNETS.DEPTH", 18, "MODEL.RESNETS.RES2_OUT_CHANNELS", 64, "MODEL.FPN.OUT_CHANNELS", 16]
SMALL += ["MODEL.ROI_BOX_HEAD.FC_DIM", 16, "MODEL.ROI_HEADS.NUM_CLASSES", 2, "MODEL.RETINANET.NUM_CLASSES", 2]
SMALL += ["MODEL.RPN.POST_NMS_TOPK_TRAIN", 20, "MODEL.RPN.POST_NMS_TOPK_TEST", 10, "MODEL.DEVICE", "cpu"]
SMALL += ["MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0, "MODEL.RETINANET.SCORE_THRESH_TEST", 0.0, "VIS_PERIOD", 1]
ROTATED = ["MODEL.PROPOSAL_GENERATOR.NAME", "RRPN", "MODEL.ANCHOR_GENERATOR.NAME", "RotatedAnchorGenerator"]
ROTATED += ["MODEL.RPN.BBOX_REG_WEIGHTS", (1, 1, 1, 1, 1), "MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS", (10, 10, 5, 5, 1)]
ROTATED += ["MODEL.ROI_HEADS.NAME", "RROIHeads", "MODEL.ROI_BOX_HEAD.POOLER_TYPE", "ROIAlignRotated"]
BOX_HEAD = ["MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES", True, "MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE", True]

#: Steps that a model calls when it is trained and applied, by class.
BACKBONE = {FPN: ["forward"], ResNet: ["forward"], BasicStem: ["forward"], BasicBlock: ["forward"]}
RCNN = ["forward", "inference", "preprocess_image", "visualize_training", "_postprocess", "_move_to_current_device"]
RPN = ["forward", "_subsample_labels", "label_and_sample_anchors", "losses", "predict_proposals", "_decode_proposals"]
LAYERS = ["forward", "losses", "box_reg_loss", "inference", "predict_boxes", "predict_probs"]
STAGES = {
    **BACKBONE,
    proposals.RPN: RPN,
    proposals.StandardRPNHead: ["forward"],
    DefaultAnchorGenerator: ["forward", "_grid_anchors"],
    Box2BoxTransform: ["get_deltas", "apply_deltas"],
}
MASK_RCNN = {
    **STAGES,
    modeling.GeneralizedRCNN: RCNN,
    ROIPooler: ["forward"],
    heads.FastRCNNConvFCHead: ["forward"],
    heads.FastRCNNOutputLayers: LAYERS,
    heads.MaskRCNNConvUpsampleHead: ["forward", "layers"],
}
SAMPLING = ["label_and_sample_proposals", "_sample_proposals", "forward", "forward_with_given_boxes"]
ROI = [*SAMPLING, "_forward_box", "_forward_mask", "_forward_keypoint"]
CASCADE = ["_match_and_label_boxes", "_run_stage", "_create_proposals_from_boxes"]
MODELS = {
    "mask": (
        "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml",
        ["MODEL.KEYPOINT_ON", True, *BOX_HEAD],
        {
            **MASK_RCNN,
            heads.FastRCNNOutputLayers: [*LAYERS, "predict_boxes_for_gt_classes", "sigmoid_cross_entropy_loss"],
            heads.StandardROIHeads: ROI,
            heads.KRCNNConvDeconvUpsampleHead: ["forward", "layers"],
        },
    ),
    "cascade": (
        "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml",
        [],
        {
            **MASK_RCNN,
            heads.FastRCNNOutputLayers: ["forward", "losses", "box_reg_loss", "predict_boxes", "predict_probs"],
            heads.CascadeROIHeads: [*ROI, *CASCADE],
        },
    ),
    "retinanet": (
        "COCO-Detection/retinanet_R_50_FPN_1x.yaml",
        [],
        {
            **BACKBONE,
            RetinaNetHead: ["forward"],
            DefaultAnchorGenerator: ["forward", "_grid_anchors"],
            RetinaNet: [
                *("forward", "forward_training", "forward_inference", "losses", "label_anchors", "preprocess_image"),
                *("inference_single_image", "_transpose_dense_predictions", "_ema_update", "_move_to_current_device"),
                *("_decode_multi_level_predictions", "_decode_per_level_predictions"),
            ],
        },
    ),
    "panoptic": (
        "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.yaml",
        ["MODEL.SEM_SEG_HEAD.CONVS_DIM", 32],
        {PanopticFPN: ["forward", "inference", "preprocess_image"], SemSegFPNHead: ["forward", "layers", "losses"]},
    ),
    "rotated": (
        "COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml",
        ROTATED,
        {
            RRPN: RPN,
            RotatedAnchorGenerator: ["forward", "_grid_anchors"],
            Box2BoxTransformRotated: ["get_deltas", "apply_deltas"],
            RotatedFastRCNNOutputLayers: ["inference", "losses", "predict_boxes"],
            heads.RROIHeads: ["label_and_sample_proposals", "_forward_box"],
        },
    ),
}


def counting(cls, names, calls):
    """Return a subclass that counts the calls of methods."""

    def counted(name):
        own = inspect.getattr_static(cls, name)

        @functools.wraps(getattr(own, "__func__", own))
        def call(self, *args, **kwargs):
            calls[cls.__name__, name] += 1
            return getattr(super(subclass, self), name)(*args, **kwargs)

        def call_static(*args, **kwargs):
            calls[cls.__name__, name] += 1
            return getattr(cls, name)(*args, **kwargs)

        if isinstance(own, classmethod):
            return classmethod(call)
        return staticmethod(call_static) if isinstance(own, staticmethod) else call

    subclass = type(cls.__name__, (cls,), {name: counted(name) for name in names})
    return subclass


def batch(is_rotated):
    instances = Instances((64, 96), gt_classes=torch.tensor([0]))
    if is_rotated:
        instances.gt_boxes = RotatedBoxes(torch.tensor([[30.0, 30, 30, 20, 10]]))
    else:
        instances.gt_boxes = Boxes([[5.0, 5, 45, 50]])
        instances.gt_masks = PolygonMasks([[np.array([5.0, 5, 45, 5, 45, 50, 5, 50])]])
        instances.gt_keypoints = Keypoints(torch.rand(1, 17, 3) * 40 + torch.tensor([0, 0, 2.0]))
    image = {"image": torch.rand(3, 64, 96) * 255, "height": 64, "width": 96}
    return [image | {"instances": instances, "sem_seg": torch.zeros(64, 96, dtype=torch.int64)}]


def uncalled(steps, calls):
    return [(cls.__name__, step) for cls, names in steps.items() for step in names if not calls[cls.__name__, step]]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_training_and_inference_call_every_step(name):
    path, settings, steps = MODELS[name]
    cfg = model_zoo.get_config(path)
    cfg.merge_from_list([*SMALL, *settings])
    torch.manual_seed(0)
    model, calls = build_model(cfg), collections.Counter()
    classes = {cls: counting(cls, names, calls) for cls, names in steps.items()}
    for module in list(model.modules()):
        for value in (module, *vars(module).values()):
            if type(value) in classes:
                object.__setattr__(value, "__class__", classes[type(value)])
    with EventStorage(), torch.no_grad():
        model(batch(name == "rotated"))
        results = model.eval()(batch(name == "rotated"))
        if ("StandardROIHeads", "forward") in calls or name == "cascade":
            model.inference(batch(False), [results[0]["instances"]])
    assert uncalled(steps, calls) == []


BUILDERS = {
    "mask": {
        modeling.GeneralizedRCNN: ["from_config"],
        proposals.RPN: ["from_config"],
        proposals.StandardRPNHead: ["from_config", "_get_rpn_conv"],
        DefaultAnchorGenerator: ["from_config", "_calculate_anchors", "generate_cell_anchors"],
        heads.StandardROIHeads: ["from_config", "_init_box_head", "_init_mask_head", "_init_keypoint_head"],
        heads.FastRCNNConvFCHead: ["from_config"],
        heads.MaskRCNNConvUpsampleHead: ["from_config"],
        heads.KRCNNConvDeconvUpsampleHead: ["from_config"],
    },
    "cascade": {heads.CascadeROIHeads: ["from_config", "_init_box_head", "_init_mask_head", "_init_keypoint_head"]},
    "panoptic": {PanopticFPN: ["from_config"], SemSegFPNHead: ["from_config"]},
    "retinanet": {RetinaNet: ["from_config"]},
    "rotated": {
        RRPN: ["from_config"],
        heads.RROIHeads: ["from_config", "_init_box_head"],
        RotatedAnchorGenerator: ["from_config", "_calculate_anchors", "generate_cell_anchors"],
    },
    "c4": {heads.Res5ROIHeads: ["from_config", "_build_res5_block"]},
}
REGISTRIES = (
    *(modeling.META_ARCH_REGISTRY, modeling.PROPOSAL_GENERATOR_REGISTRY, modeling.RPN_HEAD_REGISTRY),
    *(modeling.ANCHOR_GENERATOR_REGISTRY, modeling.ROI_HEADS_REGISTRY, modeling.ROI_BOX_HEAD_REGISTRY),
    *(modeling.ROI_MASK_HEAD_REGISTRY, modeling.ROI_KEYPOINT_HEAD_REGISTRY, modeling.SEM_SEG_HEADS_REGISTRY),
)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_building_calls_every_step(name, monkeypatch):
    path, settings, _ = MODELS.get(name, ("COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x.yaml", [], {}))
    cfg = model_zoo.get_config(path)
    cfg.merge_from_list(settings)
    calls = collections.Counter()
    for cls, names in BUILDERS[name].items():
        for registry in REGISTRIES:
            if cls.__name__ in registry:
                monkeypatch.setitem(registry._obj_map, cls.__name__, counting(cls, names, calls))
    with torch.device("meta"):
        modeling.META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg)
    missing = [
        (c.__name__, step) for c, names in BUILDERS[name].items() for step in names if not calls[c.__name__, step]
    ]
    assert missing == []
