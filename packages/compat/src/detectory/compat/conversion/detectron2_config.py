"""Detectron2 configs of models."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from detectory.compat._pytorch_resnet import resnet_depth
from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.config import CfgNode
from detectory.modeling.backbone import FPN, ResNet
from detectory.modeling.layers import BatchNorm2d, FrozenBatchNorm2d, GroupNorm, ROIAlign
from detectory.modeling.meta_arch import GeneralizedRCNN, ProposalNetwork, RetinaNet
from detectory.modeling.poolers import ROIPooler
from detectory.modeling.roi_heads import CascadeROIHeads, Res5ROIHeads

_NORMS: tuple[tuple[type[nn.Module], str], ...] = (
    (FrozenBatchNorm2d, "FrozenBN"),
    (nn.SyncBatchNorm, "SyncBN"),
    (BatchNorm2d, "BN"),
    (GroupNorm, "GN"),
)


def detectron2_config(model: nn.Module, resize: Any = None) -> CfgNode:
    """Return the Detectron2 config of a model.

    Args:
        model: A Faster, Mask, Keypoint or Cascade R-CNN with FPN, C4 or DC5, a RetinaNet or an RPN, on a ResNet.
        resize: The augmentation that resizes images, for the sizes in the test.

    Raises:
        ValueError: If Detectron2's configs do not describe the architecture.
    """
    source: Any = model
    cfg = model_zoo.get_config(_base(source))
    settings = cfg.MODEL
    cfg.INPUT.FORMAT = getattr(source, "input_format", None) or "BGR"
    settings.PIXEL_MEAN = source.pixel_mean.flatten().tolist()
    settings.PIXEL_STD = source.pixel_std.flatten().tolist()
    shorter, longest = getattr(resize, "short_edge_length", None), getattr(resize, "max_size", None)
    if shorter is not None and longest is not None:
        cfg.INPUT.MIN_SIZE_TEST = shorter if isinstance(shorter, int) else max(shorter)
        cfg.INPUT.MAX_SIZE_TEST = longest
    _set_backbone(settings, source.backbone)
    if isinstance(source, RetinaNet):
        _set_retinanet(cfg, source)
        return cfg
    _set_proposals(settings, source.proposal_generator)
    if isinstance(source, GeneralizedRCNN):
        _set_heads(cfg, source.roi_heads)
    return cfg


def _base(model: Any) -> str:
    """Return the name of a config in the zoo with the architecture of a model."""
    if type(model).__name__ == "RetinaNet":
        return "COCO-Detection/retinanet_R_50_FPN_1x.yaml"
    if not isinstance(model, GeneralizedRCNN | ProposalNetwork) or not _resnet(model.backbone):
        raise ValueError(f"detectron2_config: Detectron2's configs have no model like this {type(model).__name__}")
    has_pyramid = isinstance(model.backbone, FPN)
    if isinstance(model, ProposalNetwork):
        return f"COCO-Detection/rpn_R_50_{'FPN' if has_pyramid else 'C4'}_1x.yaml"
    heads: Any = model.roi_heads
    if isinstance(heads, CascadeROIHeads):
        return "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml"
    if getattr(heads, "keypoint_on", False):
        return "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml"
    features = "C4" if isinstance(heads, Res5ROIHeads) else "FPN" if has_pyramid else "DC5"
    if getattr(heads, "mask_on", False):
        return f"COCO-InstanceSegmentation/mask_rcnn_R_50_{features}_1x.yaml"
    return f"COCO-Detection/faster_rcnn_R_50_{features}_1x.yaml"


def _resnet(backbone: Any) -> Any:
    """Return the ResNet of a backbone, `None` without one."""
    bottom_up = getattr(backbone, "bottom_up", backbone)
    return bottom_up if isinstance(bottom_up, ResNet) else None


def _norm(layer: Any) -> str:
    """Return the name of the norm of a convolution."""
    norm = getattr(layer, "norm", None)
    return next((name for norm_class, name in _NORMS if isinstance(norm, norm_class)), "")


def _set_backbone(settings: CfgNode, backbone: Any) -> None:
    resnet, options = _resnet(backbone), settings.RESNETS
    last = getattr(resnet, resnet.stage_names[-1])[0]
    first = resnet.res2[0]
    options.DEPTH = resnet_depth(f"{name}." for name in _with_all_stages(resnet))
    options.NORM = _norm(last.conv1)
    if hasattr(first, "conv3"):
        options.NUM_GROUPS = first.conv2.groups
        options.WIDTH_PER_GROUP = first.conv2.out_channels // first.conv2.groups
        options.STRIDE_IN_1X1 = resnet.res3[0].conv1.stride[0] > 1
    else:
        options.RES2_OUT_CHANNELS = first.conv2.out_channels
    if isinstance(backbone, FPN):
        settings.FPN.NORM = _norm(getattr(backbone, f"fpn_output{backbone._levels[0]}"))
        settings.FPN.FUSE_TYPE = backbone.fuse_type


def _with_all_stages(resnet: Any) -> list[str]:
    """Return parameter names of a ResNet; without `res5`, as in C4 models, those of its last stage are added."""
    names = [name for name in resnet.state_dict() if name.endswith(".weight")]
    if "res5" in resnet.stage_names:
        return names
    blocks = ["0", "1", "2"] if hasattr(resnet.res2[0], "conv3") else []
    return [*names, *(f"res5.{block}.conv{i}.weight" for block in blocks for i in (1, 2, 3))]


def _set_anchors(settings: CfgNode, generator: Any) -> None:
    sizes, ratios = [], []
    for cell in generator.cell_anchors:
        sides = (cell[:, 2:] - cell[:, :2]).double()
        sizes.append(_unique((sides[:, 0] * sides[:, 1]).sqrt().tolist()))
        ratios.append(_unique((sides[:, 1] / sides[:, 0]).tolist()))
    settings.ANCHOR_GENERATOR.SIZES, settings.ANCHOR_GENERATOR.ASPECT_RATIOS = sizes, ratios
    settings.ANCHOR_GENERATOR.OFFSET = float(generator.offset)


def _unique(values: Sequence[float]) -> list[float]:
    return list(dict.fromkeys(round(value, 3) for value in values))


def _set_proposals(settings: CfgNode, source: Any) -> None:
    _set_anchors(settings, source.anchor_generator)
    options = settings.RPN
    options.PRE_NMS_TOPK_TRAIN, options.PRE_NMS_TOPK_TEST = source.pre_nms_topk[True], source.pre_nms_topk[False]
    options.POST_NMS_TOPK_TRAIN, options.POST_NMS_TOPK_TEST = source.post_nms_topk[True], source.post_nms_topk[False]
    options.NMS_THRESH = float(source.nms_thresh)
    options.SMOOTH_L1_BETA = float(source.smooth_l1_beta)
    options.BBOX_REG_WEIGHTS = tuple(source.box2box_transform.weights)
    settings.PROPOSAL_GENERATOR.MIN_SIZE = int(source.min_box_size)
    convolutions = source.rpn_head.conv
    options.CONV_DIMS = [-1] * (len(convolutions) if isinstance(convolutions, nn.Sequential) else 1)


def _set_pooler(options: CfgNode, pooler: ROIPooler) -> None:
    layer = pooler.level_poolers[0]
    aligned = isinstance(layer, ROIAlign) and layer.aligned
    options.POOLER_TYPE = "ROIAlignV2" if aligned else "ROIAlign" if isinstance(layer, ROIAlign) else "ROIPool"
    options.POOLER_RESOLUTION = pooler.output_size[0]
    options.POOLER_SAMPLING_RATIO = pooler.sampling_ratio


def _set_heads(cfg: CfgNode, heads: Any) -> None:
    settings = cfg.MODEL
    cascade = isinstance(heads, CascadeROIHeads)
    predictor = heads.box_predictor[-1] if cascade else heads.box_predictor
    settings.ROI_HEADS.NUM_CLASSES = heads.num_classes
    settings.ROI_HEADS.SCORE_THRESH_TEST = float(predictor.test_score_thresh)
    settings.ROI_HEADS.NMS_THRESH_TEST = float(predictor.test_nms_thresh)
    cfg.TEST.DETECTIONS_PER_IMAGE = predictor.test_topk_per_image
    options = settings.ROI_BOX_HEAD
    options.CLS_AGNOSTIC_BBOX_REG = predictor.cls_agnostic_bbox_reg
    options.SMOOTH_L1_BETA = float(predictor.smooth_l1_beta)
    options.USE_SIGMOID_CE = predictor.use_sigmoid_ce
    if cascade:
        settings.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS = tuple(
            tuple(stage.box2box_transform.weights) for stage in heads.box_predictor
        )
    else:
        options.BBOX_REG_WEIGHTS = tuple(predictor.box2box_transform.weights)
    settings.MASK_ON = bool(getattr(heads, "mask_on", False))
    if isinstance(heads, Res5ROIHeads):
        _set_pooler(options, heads.pooler)
        return
    head = heads.box_head[0] if cascade else heads.box_head
    convs, fcs = _layers(head, "conv"), _layers(head, "fc")
    options.NUM_CONV, options.NUM_FC = len(convs), len(fcs)
    if fcs:
        options.FC_DIM = fcs[0].out_features
    if convs:
        options.CONV_DIM, options.NORM = convs[0].out_channels, _norm(convs[0])
    _set_pooler(options, heads.box_pooler)
    if settings.MASK_ON:
        mask = heads.mask_head
        settings.ROI_MASK_HEAD.NUM_CONV = len(_layers(mask, "mask_fcn"))
        settings.ROI_MASK_HEAD.NORM = _norm(getattr(mask, "mask_fcn1", None))
        settings.ROI_MASK_HEAD.CONV_DIM = mask.deconv.out_channels
        settings.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK = mask.predictor.out_channels == 1 and heads.num_classes > 1
        _set_pooler(settings.ROI_MASK_HEAD, heads.mask_pooler)
    if getattr(heads, "keypoint_on", False):
        keypoints = heads.keypoint_head
        settings.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS = keypoints.num_keypoints
        convs = _layers(keypoints, "conv_fcn")
        settings.ROI_KEYPOINT_HEAD.CONV_DIMS = tuple(conv.out_channels for conv in convs)
        _set_pooler(settings.ROI_KEYPOINT_HEAD, heads.keypoint_pooler)


def _layers(head: Any, prefix: str) -> list[Any]:
    """Return the numbered layers of a head in their order, such as `fc1` and `fc2` for the prefix `fc`."""
    return [layer for name, layer in head.named_children() if re.fullmatch(rf"{prefix}\d+", name)]


def _set_retinanet(cfg: CfgNode, source: Any) -> None:
    settings, options = cfg.MODEL, cfg.MODEL.RETINANET
    _set_anchors(settings, source.anchor_generator)
    options.NUM_CLASSES = source.num_classes
    options.SCORE_THRESH_TEST = float(source.test_score_thresh)
    options.NMS_THRESH_TEST = float(source.test_nms_thresh)
    options.TOPK_CANDIDATES_TEST = source.test_topk_candidates
    options.SMOOTH_L1_LOSS_BETA = float(source.smooth_l1_beta)
    options.FOCAL_LOSS_ALPHA, options.FOCAL_LOSS_GAMMA = source.focal_loss_alpha, source.focal_loss_gamma
    options.NUM_CONVS = sum(isinstance(layer, nn.Conv2d) for layer in source.head.cls_subnet)
    group_norm = any(isinstance(layer, nn.GroupNorm) for layer in source.head.cls_subnet)
    options.NORM = "GN" if group_norm else ""
    cfg.TEST.DETECTIONS_PER_IMAGE = source.max_detections_per_image
    cfg.MODEL.FPN.OUT_CHANNELS = source.head.cls_score.in_channels


def equivalent_model(cfg: CfgNode) -> nn.Module:
    """Return the model of a config on the meta device."""
    from detectory.compat.detectron2.modeling import build_model

    described = cfg.clone()
    described.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        return build_model(described)
