"""Small models of every meta-architecture, with random weights that yield confident, distinct predictions."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from detectory.modeling.anchor_generator import DefaultAnchorGenerator, RotatedAnchorGenerator
from detectory.modeling.backbone import FPN, BasicStem, LastLevelMaxPool, LastLevelP6P7, ResNet
from detectory.modeling.box_regression import Box2BoxTransform, Box2BoxTransformRotated
from detectory.modeling.detr import DETR, DETRTransformer, SetCriterion, SinePositionEncoding
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.matcher import Matcher
from detectory.modeling.meta_arch import (
    FCOS,
    FCOSHead,
    GeneralizedRCNN,
    PanopticFPN,
    ProposalNetwork,
    RetinaNet,
    RetinaNetHead,
    SemanticSegmentor,
    SemSegFPNHead,
)
from detectory.modeling.poolers import ROIPooler
from detectory.modeling.proposal_generator import RPN, RRPN, StandardRPNHead
from detectory.modeling.roi_heads import (
    CascadeROIHeads,
    FastRCNNConvFCHead,
    FastRCNNOutputLayers,
    KRCNNConvDeconvUpsampleHead,
    MaskRCNNConvUpsampleHead,
    Res5ROIHeads,
    RotatedFastRCNNOutputLayers,
    RROIHeads,
    StandardROIHeads,
)
from detectory.structures import Boxes, Instances

PYRAMID = ["p2", "p3", "p4", "p5"]
PIXELS = {"pixel_mean": [103.5, 116.3, 123.7], "pixel_std": [57.4, 57.1, 58.4]}
WIDTH = 32


def resnet(*out_features: str) -> ResNet:
    stages = ResNet.make_default_stages(18, norm="BN")
    return ResNet(BasicStem(3, 64, norm="BN"), stages, out_features=list(out_features))


def pyramid(top_block: nn.Module, *in_features: str) -> FPN:
    return FPN(resnet(*in_features), list(in_features), WIDTH, top_block=top_block)


def rcnn_backbone() -> FPN:
    return pyramid(LastLevelMaxPool(), "res2", "res3", "res4", "res5")


def matcher() -> Matcher:
    return Matcher([0.5], [0, 1], allow_low_quality_matches=False)


def rpn(features: list[str], channels: int, strides: list[int], sizes: list[list[int]]) -> RPN:
    anchors = DefaultAnchorGenerator(sizes=sizes, aspect_ratios=[0.5, 1.0, 2.0], strides=strides, offset=0.0)
    return RPN(
        in_features=features,
        head=StandardRPNHead(in_channels=channels, num_anchors=3 * len(sizes[0])),
        anchor_generator=anchors,
        anchor_matcher=matcher(),
        box2box_transform=Box2BoxTransform([1.0, 1.0, 1.0, 1.0]),
        batch_size_per_image=16,
        positive_fraction=0.5,
        pre_nms_topk=(200, 100),
        post_nms_topk=(100, 50),
    )


def pyramid_rpn() -> RPN:
    return rpn([*PYRAMID, "p6"], WIDTH, [4, 8, 16, 32, 64], [[16], [32], [64], [96], [128]])


def pooler(size: int) -> ROIPooler:
    return ROIPooler(size, [1 / 4, 1 / 8, 1 / 16, 1 / 32], 0, "ROIAlignV2")


def predictor(channels: int, agnostic: bool = False) -> FastRCNNOutputLayers:
    return FastRCNNOutputLayers(
        ShapeSpec(channels=channels),
        box2box_transform=Box2BoxTransform([10.0, 10.0, 5.0, 5.0]),
        num_classes=5,
        test_score_thresh=0.05,
        cls_agnostic_bbox_reg=agnostic,
    )


def box_head() -> FastRCNNConvFCHead:
    return FastRCNNConvFCHead(ShapeSpec(channels=WIDTH, height=7, width=7), conv_dims=[], fc_dims=[32])


def roi_options() -> dict[str, Any]:
    return {"num_classes": 5, "batch_size_per_image": 16, "positive_fraction": 0.25}


def standard_heads(**extra: Any) -> StandardROIHeads:
    return StandardROIHeads(
        box_in_features=PYRAMID,
        box_pooler=pooler(7),
        box_head=box_head(),
        box_predictor=predictor(32),
        proposal_matcher=matcher(),
        **roi_options(),
        **extra,
    )


def masks() -> dict[str, Any]:
    head = MaskRCNNConvUpsampleHead(ShapeSpec(channels=WIDTH), num_classes=5, conv_dims=[WIDTH, WIDTH])
    return {"mask_in_features": PYRAMID, "mask_pooler": pooler(14), "mask_head": head}


def keypoints() -> dict[str, Any]:
    head = KRCNNConvDeconvUpsampleHead(ShapeSpec(channels=WIDTH), num_keypoints=3, conv_dims=[WIDTH])
    return {"keypoint_in_features": PYRAMID, "keypoint_pooler": pooler(14), "keypoint_head": head}


def rcnn(**extra: Any) -> GeneralizedRCNN:
    heads = standard_heads(**extra)
    return GeneralizedRCNN(backbone=rcnn_backbone(), proposal_generator=pyramid_rpn(), roi_heads=heads, **PIXELS)


def fast_rcnn() -> GeneralizedRCNN:
    return GeneralizedRCNN(backbone=rcnn_backbone(), proposal_generator=None, roi_heads=standard_heads(), **PIXELS)


def cascade_rcnn() -> GeneralizedRCNN:
    heads = CascadeROIHeads(
        box_in_features=PYRAMID,
        box_pooler=pooler(7),
        box_heads=[box_head() for _ in range(3)],
        box_predictors=[predictor(32, agnostic=True) for _ in range(3)],
        proposal_matchers=[matcher() for _ in range(3)],
        **roi_options(),
    )
    return GeneralizedRCNN(backbone=rcnn_backbone(), proposal_generator=pyramid_rpn(), roi_heads=heads, **PIXELS)


def faster_rcnn_c4() -> GeneralizedRCNN:
    res5 = ResNet.make_default_stages(18, norm="BN")[3]
    heads = Res5ROIHeads(
        in_features=["res4"],
        pooler=ROIPooler(14, [1 / 16], 0, "ROIAlignV2"),
        res5=res5,
        box_predictor=predictor(512),
        mask_head=MaskRCNNConvUpsampleHead(ShapeSpec(channels=512), num_classes=5, conv_dims=[WIDTH]),
        proposal_matcher=matcher(),
        **roi_options(),
    )
    proposals = rpn(["res4"], 256, [16], [[32, 64, 128]])
    return GeneralizedRCNN(backbone=resnet("res4"), proposal_generator=proposals, roi_heads=heads, **PIXELS)


def rotated_rcnn() -> GeneralizedRCNN:
    anchors = RotatedAnchorGenerator(
        sizes=[[16], [32], [64], [96], [128]],
        aspect_ratios=[1.0],
        strides=[4, 8, 16, 32, 64],
        angles=[[0.0, 30.0, 75.0]],
        offset=0.0,
    )
    proposals = RRPN(
        in_features=[*PYRAMID, "p6"],
        head=StandardRPNHead(in_channels=WIDTH, num_anchors=3, box_dim=5),
        anchor_generator=anchors,
        anchor_matcher=matcher(),
        box2box_transform=Box2BoxTransformRotated([1.0] * 5),
        batch_size_per_image=16,
        positive_fraction=0.5,
        pre_nms_topk=(200, 100),
        post_nms_topk=(100, 50),
    )
    heads = RROIHeads(
        box_in_features=PYRAMID,
        box_pooler=ROIPooler(7, [1 / 4, 1 / 8, 1 / 16, 1 / 32], 0, "ROIAlignRotated"),
        box_head=box_head(),
        box_predictor=RotatedFastRCNNOutputLayers(
            ShapeSpec(channels=32),
            box2box_transform=Box2BoxTransformRotated([10.0, 10.0, 5.0, 5.0, 1.0]),
            num_classes=5,
            test_score_thresh=0.05,
        ),
        proposal_matcher=matcher(),
        **roi_options(),
    )
    return GeneralizedRCNN(backbone=rcnn_backbone(), proposal_generator=proposals, roi_heads=heads, **PIXELS)


def sem_seg_head() -> SemSegFPNHead:
    shapes = {name: ShapeSpec(channels=WIDTH, stride=4 * 2**i) for i, name in enumerate(PYRAMID)}
    return SemSegFPNHead(shapes, num_classes=4, conv_dims=WIDTH, common_stride=4, norm="GN")


def panoptic_fpn() -> PanopticFPN:
    return PanopticFPN(
        sem_seg_head=sem_seg_head(),
        combine_stuff_area_thresh=50,
        combine_instances_score_thresh=0.2,
        backbone=rcnn_backbone(),
        proposal_generator=pyramid_rpn(),
        roi_heads=standard_heads(**masks()),
        **PIXELS,
    )


def semantic_fpn() -> SemanticSegmentor:
    return SemanticSegmentor(backbone=rcnn_backbone(), sem_seg_head=sem_seg_head(), **PIXELS)


def proposal_network() -> ProposalNetwork:
    return ProposalNetwork(backbone=rcnn_backbone(), proposal_generator=pyramid_rpn(), **PIXELS)


def dense_parts() -> tuple[FPN, list[str], list[ShapeSpec]]:
    backbone = pyramid(LastLevelP6P7(512, WIDTH), "res3", "res4", "res5")
    names = ["p3", "p4", "p5", "p6", "p7"]
    return backbone, names, [backbone.output_shape()[name] for name in names]


def retinanet() -> RetinaNet:
    backbone, names, shapes = dense_parts()
    anchors = DefaultAnchorGenerator(
        sizes=[[s, s * 1.4] for s in (16, 32, 64, 96, 128)], aspect_ratios=[0.5, 1.0], strides=[8, 16, 32, 64, 128]
    )
    head = RetinaNetHead(input_shape=shapes, num_classes=5, num_anchors=4, conv_dims=[WIDTH])
    return RetinaNet(
        backbone=backbone,
        head=head,
        head_in_features=names,
        anchor_generator=anchors,
        box2box_transform=Box2BoxTransform([1.0, 1.0, 1.0, 1.0]),
        anchor_matcher=matcher(),
        num_classes=5,
        test_topk_candidates=100,
        **PIXELS,
    )


def fcos() -> FCOS:
    backbone, names, shapes = dense_parts()
    head = FCOSHead(input_shape=shapes, num_classes=5, conv_dims=[WIDTH])
    return FCOS(backbone=backbone, head=head, head_in_features=names, num_classes=5, test_topk_candidates=100, **PIXELS)


def detr() -> DETR:
    return DETR(
        backbone=resnet("res5"),
        position_encoding=SinePositionEncoding(WIDTH // 2),
        transformer=DETRTransformer(
            channels=WIDTH, num_heads=4, hidden=WIDTH, num_encoder_layers=1, num_decoder_layers=1
        ),
        criterion=SetCriterion(num_classes=5),
        num_queries=20,
        num_classes=5,
        test_score_thresh=0.2,
        **PIXELS,
    )


BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "faster R-CNN": rcnn,
    "mask R-CNN": lambda: rcnn(**masks()),
    "keypoint R-CNN": lambda: rcnn(**keypoints()),
    "fast R-CNN": fast_rcnn,
    "cascade R-CNN": cascade_rcnn,
    "C4": faster_rcnn_c4,
    "rotated R-CNN": rotated_rcnn,
    "panoptic FPN": panoptic_fpn,
    "semantic FPN": semantic_fpn,
    "RPN": proposal_network,
    "RetinaNet": retinanet,
    "FCOS": fcos,
    "DETR": detr,
}


def build_model(name: str) -> nn.Module:
    """Return a model in evaluation mode; large random weights in the last layers spread the scores."""
    torch.manual_seed(7)
    model = BUILDERS[name]().eval()
    spread = {
        "cls_score": 0.5,
        "bbox_pred": 0.05,
        "objectness_logits": 0.5,
        "anchor_deltas": 0.05,
        "ctrness": 0.5,
        "class_embed": 0.5,
    }
    for path, module in model.named_modules():
        std = spread.get(path.split(".")[-1])
        if std is not None:
            nn.init.normal_(module.weight, std=std)
    return model


def model_input(name: str, height: int, width: int) -> dict[str, Any]:
    """Return a blurred random image and, for Fast R-CNN, random proposals."""
    noise = torch.rand(1, 3, height // 8, width // 8) * 255
    image = nn.functional.interpolate(noise, size=(height, width), mode="bilinear")[0]
    item = {"image": image, "height": height * 2, "width": width * 2}
    if name == "fast R-CNN":
        corner = torch.rand(30, 2) * torch.tensor([width * 0.6, height * 0.6])
        boxes = Boxes(torch.cat([corner, corner + 10 + torch.rand(30, 2) * 60], dim=1))
        boxes.clip((height, width))
        item["proposals"] = Instances((height, width), proposal_boxes=boxes, objectness_logits=torch.zeros(30))
    return item


@pytest.fixture(scope="session")
def model() -> Callable[[str], nn.Module]:
    """Return a function that builds a model by architecture name."""
    return build_model


@pytest.fixture(scope="session")
def inputs() -> Callable[..., list[dict[str, Any]]]:
    """Return a function that creates model inputs by architecture name and image sizes."""
    return lambda name, *sizes: [model_input(name, *size) for size in sizes]
