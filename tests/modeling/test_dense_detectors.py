"""Training of ATSS, GFL and SSD, and their common targets."""

import pytest
import torch
from tests.modeling import tiny_models

from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone import SSDVGG
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.matcher import Matcher
from detectory.modeling.meta_arch import ATSS, GFL, SSD, FCOSHead, GFLHead, SSDAnchorGenerator, SSDHead
from detectory.modeling.meta_arch.dense_detector import targets_of_matches
from detectory.structures import Boxes, Instances

CLASSES = 3
COMMON = {"num_classes": CLASSES, "pixel_mean": [100.0] * 3, "pixel_std": [50.0] * 3}


def pyramid_parts():
    backbone = tiny_models.backbone()
    shapes = backbone.output_shape()
    names = sorted(shapes, key=lambda name: shapes[name].stride)
    strides = [shapes[name].stride for name in names]
    anchors = DefaultAnchorGenerator(
        sizes=[[8 * stride] for stride in strides], aspect_ratios=[1.0], strides=strides, offset=0.0
    )
    head = {"input_shape": [ShapeSpec(channels=shapes[names[0]].channels)] * len(names), "num_classes": CLASSES}
    parts = {"backbone": backbone, "head_in_features": names, "anchor_generator": anchors}
    return parts, head | {"conv_dims": [shapes[names[0]].channels]}


def atss():
    parts, head = pyramid_parts()
    transform = Box2BoxTransform([10, 10, 5, 5])
    return ATSS(head=FCOSHead(level_scales=True, **head), box2box_transform=transform, **parts, **COMMON)


def gfl():
    parts, head = pyramid_parts()
    return GFL(head=GFLHead(**head), **parts, **COMMON)


def ssd():
    backbone = SSDVGG()
    channels = [shape.channels for shape in backbone.output_shape().values()]
    return SSD(
        backbone=backbone,
        head=SSDHead(in_channels=channels, num_anchors=[4, 6, 6, 6, 4, 4], num_classes=CLASSES),
        anchor_generator=SSDAnchorGenerator(
            min_sizes=[21, 45, 99, 153, 207, 261],
            max_sizes=[45, 99, 153, 207, 261, 315],
            aspect_ratios=[(2,), (2, 3), (2, 3), (2, 3), (2,), (2,)],
            strides=[8, 16, 32, 64, 100, 300],
        ),
        box2box_transform=Box2BoxTransform([10, 10, 5, 5]),
        anchor_matcher=Matcher([0.5], [0, 1], allow_low_quality_matches=True),
        **COMMON,
    )


def instances(boxes, classes, side):
    tensor = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Instances((side, side), gt_boxes=Boxes(tensor), gt_classes=torch.tensor(classes, dtype=torch.int64))


@pytest.mark.parametrize(("build", "side"), [(atss, 128), (gfl, 128), (ssd, 300)])
def test_losses_are_finite_and_reach_every_parameter(build, side):
    torch.manual_seed(0)
    model = build().train()
    targets = [instances([[10, 10, 90, 80], [40, 30, 120, 120]], [0, 2], side), instances([], [], side)]
    losses = model([{"image": torch.rand(3, side, side) * 255, "instances": target} for target in targets])
    assert len(losses) >= 2
    assert all(torch.isfinite(value) and value > 0 for value in losses.values())
    sum(losses.values()).backward()
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(gradients[name] is not None and gradients[name].isfinite().all() for name in trained)


@pytest.mark.parametrize(("build", "side"), [(atss, 128), (gfl, 128), (ssd, 300)])
def test_batches_without_objects_have_only_a_classification_loss(build, side):
    model = build().train()
    losses = model([{"image": torch.rand(3, side, side) * 255, "instances": instances([], [], side)}])
    assert losses.pop("loss_cls") > 0
    assert all(value == 0 for value in losses.values())


def test_targets_are_the_classes_and_boxes_of_positive_anchors():
    objects = instances([[0, 0, 10, 10], [20, 20, 50, 50]], [2, 0], 64)
    matched = (torch.tensor([1, 0, 1]), torch.tensor([True, True, False]))
    nothing = (torch.tensor([0, 0, 0]), torch.tensor([False, False, False]))
    labels, boxes = targets_of_matches([matched, nothing], [objects, instances([], [], 64)], CLASSES)
    assert labels.tolist() == [[0, 2, CLASSES], [CLASSES] * 3]
    assert torch.equal(boxes[0, :2], objects.gt_boxes.tensor[[1, 0]])
