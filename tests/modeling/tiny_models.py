"""Tiny detectors that run in milliseconds, one per architecture."""

import torch

from detectory.modeling.anchor_generator import DefaultAnchorGenerator, RotatedAnchorGenerator
from detectory.modeling.backbone import FPN, BasicBlock, BasicStem, ResNet
from detectory.modeling.box_regression import Box2BoxTransform, Box2BoxTransformRotated
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
    RotatedFastRCNNOutputLayers,
    RROIHeads,
    StandardROIHeads,
)
from detectory.structures import BitMasks, Boxes, Instances, Keypoints, RotatedBoxes

CLASSES, LEVELS, SCALES = 3, ["p2", "p3", "p4"], [1 / 4, 1 / 8, 1 / 16]
COLORS = {"pixel_mean": (120.0, 120.0, 120.0), "pixel_std": (60.0, 60.0, 60.0)}
SAMPLING = {"num_classes": CLASSES, "batch_size_per_image": 16, "positive_fraction": 0.5}
UPRIGHT, ROTATED = Box2BoxTransform((10, 10, 5, 5)), Box2BoxTransformRotated((10, 10, 5, 5, 1))


def backbone(norm="BN"):
    names, stages, channels = ["res2", "res3", "res4"], [], 8
    for width in (8, 16, 16):
        stride = 1 if not stages else 2
        stages.append(
            ResNet.make_stage(
                BasicBlock, 1, in_channels=channels, out_channels=width, stride_per_block=[stride], norm=norm
            )
        )
        channels = width
    # Without a change of width there is a plain shortcut, which cannot change the resolution.
    stages[2] = ResNet.make_stage(BasicBlock, 1, in_channels=16, out_channels=24, stride_per_block=[2], norm=norm)
    return FPN(ResNet(BasicStem(3, 8, norm), stages, out_features=names), names, 8)


def rpn(rotated=False):
    settings = {"sizes": [[16], [32], [64]], "aspect_ratios": [1.0], "strides": [4, 8, 16]}
    anchors = RotatedAnchorGenerator(**settings, angles=[0, 45]) if rotated else DefaultAnchorGenerator(**settings)
    dim = anchors.box_dim
    return (RRPN if rotated else RPN)(
        in_features=LEVELS,
        head=StandardRPNHead(in_channels=8, num_anchors=anchors.num_anchors[0], box_dim=dim),
        anchor_generator=anchors,
        anchor_matcher=Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True),
        box2box_transform=Box2BoxTransformRotated((1,) * 5) if rotated else Box2BoxTransform((1,) * 4),
        batch_size_per_image=32,
        positive_fraction=0.5,
        pre_nms_topk=(100, 50),
        post_nms_topk=(40, 20),
    )


def box_head():
    return FastRCNNConvFCHead(ShapeSpec(channels=8, height=4, width=4), conv_dims=[], fc_dims=[16])


def box_parts(transform=UPRIGHT, layer=FastRCNNOutputLayers, pooler_type="ROIAlignV2", **kwargs):
    head = box_head()
    predictor = layer(head.output_shape, box2box_transform=transform, num_classes=CLASSES, **kwargs)
    pooler = ROIPooler(4, SCALES, 0, pooler_type)
    return {"box_in_features": LEVELS, "box_pooler": pooler, "box_head": head, "box_predictor": predictor}


def mask_parts(classes=CLASSES):
    head = MaskRCNNConvUpsampleHead(ShapeSpec(channels=8), num_classes=classes, conv_dims=[8, 8])
    return {"mask_in_features": LEVELS, "mask_pooler": ROIPooler(7, SCALES, 0, "ROIAlignV2"), "mask_head": head}


def keypoint_parts():
    head = KRCNNConvDeconvUpsampleHead(ShapeSpec(channels=8), num_keypoints=5, conv_dims=[8])
    pooler = ROIPooler(7, SCALES, 0, "ROIAlignV2")
    return {"keypoint_in_features": LEVELS, "keypoint_pooler": pooler, "keypoint_head": head}


def standard_heads(mask=True, keypoints=False, **kwargs):
    parts = {**box_parts(**kwargs), **(mask_parts() if mask else {}), **(keypoint_parts() if keypoints else {})}
    return StandardROIHeads(**parts, **SAMPLING, proposal_matcher=Matcher([0.5], [0, 1]))


def cascade_heads():
    heads = [box_head() for _ in range(2)]
    predictors = [
        FastRCNNOutputLayers(
            head.output_shape, box2box_transform=UPRIGHT, num_classes=CLASSES, cls_agnostic_bbox_reg=True
        )
        for head in heads
    ]
    return CascadeROIHeads(
        box_in_features=LEVELS,
        box_pooler=ROIPooler(4, SCALES, 0, "ROIAlignV2"),
        box_heads=heads,
        box_predictors=predictors,
        proposal_matchers=[Matcher([0.5], [0, 1]), Matcher([0.6], [0, 1])],
        **mask_parts(),
        **SAMPLING,
    )


def rcnn(roi_heads=None, norm="BN", **kwargs):
    roi_heads = roi_heads or standard_heads()
    return GeneralizedRCNN(backbone=backbone(norm), proposal_generator=rpn(), roi_heads=roi_heads, **COLORS, **kwargs)


def on_predicted_boxes():
    heads = standard_heads()
    heads.train_on_pred_boxes = True
    return rcnn(heads)


def rotated_rcnn():
    parts = box_parts(ROTATED, RotatedFastRCNNOutputLayers, "ROIAlignRotated")
    heads = RROIHeads(**parts, **SAMPLING, proposal_matcher=Matcher([0.5], [0, 1]))
    return GeneralizedRCNN(backbone=backbone(), proposal_generator=rpn(rotated=True), roi_heads=heads, **COLORS)


def retinanet():
    return RetinaNet(
        backbone=backbone(),
        head=RetinaNetHead(
            input_shape=[ShapeSpec(channels=8)] * 3, num_classes=CLASSES, num_anchors=1, conv_dims=[8], norm="BN"
        ),
        head_in_features=LEVELS,
        anchor_generator=DefaultAnchorGenerator(
            sizes=[[16], [32], [64]], aspect_ratios=[1.0], strides=[4, 8, 16], offset=0.5
        ),
        box2box_transform=Box2BoxTransform((1,) * 4),
        anchor_matcher=Matcher([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=True),
        num_classes=CLASSES,
        **COLORS,
    )


def fcos():
    head = FCOSHead(input_shape=[ShapeSpec(channels=8)] * 3, num_classes=CLASSES, conv_dims=[8])
    return FCOS(backbone=backbone(), head=head, num_classes=CLASSES, **COLORS)


def semantic_head():
    shapes = {name: ShapeSpec(channels=8, stride=4 * 2**i) for i, name in enumerate(LEVELS)}
    return SemSegFPNHead(shapes, num_classes=4, conv_dims=8, common_stride=4, ignore_value=255)


def semantic():
    return SemanticSegmentor(backbone=backbone(), sem_seg_head=semantic_head(), **COLORS)


def panoptic():
    parts = {"backbone": backbone(), "proposal_generator": rpn(), "roi_heads": standard_heads()}
    return PanopticFPN(sem_seg_head=semantic_head(), combine_stuff_area_thresh=10, **parts, **COLORS)


def proposals_only():
    return ProposalNetwork(backbone=backbone(), proposal_generator=rpn(), **COLORS)


MODELS = {
    "mask rcnn": rcnn,
    "keypoint rcnn": lambda: rcnn(standard_heads(mask=False, keypoints=True)),
    "trained on predicted boxes": on_predicted_boxes,
    "cascade": lambda: rcnn(cascade_heads()),
    "rotated": rotated_rcnn,
    "retinanet": retinanet,
    "fcos": fcos,
    "semantic": semantic,
    "panoptic": panoptic,
    "proposals": proposals_only,
}


def without_score_threshold(model):
    """Set all score thresholds to 0, so that an untrained model has detections."""
    heads = getattr(model, "roi_heads", None)
    predictors = getattr(heads, "box_predictor", [])
    for predictor in predictors if isinstance(predictors, torch.nn.ModuleList) else [predictors]:
        if predictor != []:
            predictor.test_score_thresh = 0.0
    if hasattr(model, "head"):
        model.test_score_thresh = 0.0
    return model.eval()


def ground_truth(size=(64, 96), rotated=False, objects=2):
    height, width = size
    boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0], [30.0, 20.0, 60.0, 60.0]])[:objects]
    targets = Instances(size, gt_boxes=Boxes(boxes), gt_classes=torch.tensor([0, 2])[:objects])
    if rotated:
        return Instances(
            size,
            gt_boxes=RotatedBoxes(torch.tensor([[24.0, 24, 32, 20, 30], [45.0, 40, 30, 40, 0]])[:objects]),
            gt_classes=targets.gt_classes,
        )
    bits = torch.zeros(objects, height, width, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(bits, boxes.long().tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
    targets.gt_masks = BitMasks(bits)
    points = torch.cat((boxes[:, None, :2] + torch.rand(objects, 5, 2) * 20, torch.full((objects, 5, 1), 2.0)), 2)
    targets.gt_keypoints = Keypoints(points)
    return targets


def inputs(rotated=False, objects=2, sizes=((64, 96), (48, 64))):
    items = []
    for size in sizes:
        image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
        targets = Instances(size, **ground_truth((64, 96), rotated, objects).get_fields())
        if targets.has("gt_masks"):
            targets.gt_masks = BitMasks(targets.gt_masks.tensor[:, : size[0], : size[1]])
        targets.gt_boxes.clip(size)
        semantic = torch.randint(0, 4, size)
        items.append(
            {"image": image, "instances": targets, "sem_seg": semantic, "height": size[0] * 2, "width": size[1] * 2}
        )
    return items
