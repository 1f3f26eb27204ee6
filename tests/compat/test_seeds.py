"""Reproduction of Detectron2's weights, samples and losses from the same seed (torch's CPU generator)."""

import pytest
import torch

from detectory.compat.detectron2.config import get_cfg
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling import build_backbone, build_proposal_generator
from detectory.compat.detectron2.modeling.box_regression import Box2BoxTransform, Box2BoxTransformRotated
from detectory.compat.detectron2.modeling.roi_heads import FastRCNNOutputLayers, StandardROIHeads
from detectory.compat.detectron2.modeling.roi_heads.rotated_fast_rcnn import RotatedFastRCNNOutputLayers
from detectory.compat.detectron2.structures import BitMasks, Boxes, ImageList, Instances, RotatedBoxes
from detectory.compat.detectron2.utils.events import EventStorage

SIZES = [(10, 10), (20, 30)]


def losses_of_proposals(cfg, ground_truth):
    torch.manual_seed(121)
    backbone = build_backbone(cfg)
    generator = build_proposal_generator(cfg, backbone.output_shape())
    images, features = ImageList(torch.rand(2, 20, 30), SIZES), {"res4": torch.rand(2, 1024, 1, 2)}
    with EventStorage():
        proposals, losses = generator(images, features, [ground_truth[0], ground_truth[1]])
    return proposals, {name: value.item() for name, value in losses.items()}


def test_rpn_reproduces_losses_and_proposals():
    ground_truth = Instances((15, 15), gt_boxes=Boxes(torch.tensor([[1.0, 1, 3, 3], [2, 2, 6, 6]])))
    proposals, losses = losses_of_proposals(get_cfg(), ground_truth)
    assert losses == pytest.approx({"loss_rpn_cls": 0.08011703193, "loss_rpn_loc": 0.101470276}, rel=1e-5)
    expected = torch.tensor([[0, 0, 10, 10], [7.2702, 0, 10, 10]])
    torch.testing.assert_close(proposals[0].proposal_boxes.tensor, expected, atol=1e-4, rtol=0)


def test_rotated_rpn_reproduces_losses():
    cfg = get_cfg()
    cfg.MODEL.PROPOSAL_GENERATOR.NAME, cfg.MODEL.ANCHOR_GENERATOR.NAME = "RRPN", "RotatedAnchorGenerator"
    cfg.MODEL.ANCHOR_GENERATOR.SIZES, cfg.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS = [[32, 64]], [[0.25, 1]]
    cfg.MODEL.ANCHOR_GENERATOR.ANGLES, cfg.MODEL.RPN.BBOX_REG_WEIGHTS = [[0, 60]], (1, 1, 1, 1, 1)
    ground_truth = Instances((15, 15), gt_boxes=RotatedBoxes(torch.tensor([[2.0, 2, 2, 2, 0], [4, 4, 4, 4, 0]])))
    _, losses = losses_of_proposals(cfg, ground_truth)
    assert losses == pytest.approx({"loss_rpn_cls": 0.04291602224, "loss_rpn_loc": 0.145077362}, rel=1e-5)


def image_ground_truth(boxes, classes):
    masks = BitMasks(torch.rand(2, 15, 15) > 0.5)
    return Instances((15, 15), gt_boxes=Boxes(torch.tensor(boxes)), gt_classes=torch.tensor(classes), gt_masks=masks)


def test_roi_heads_reproduce_losses():
    torch.manual_seed(121)
    cfg = get_cfg()
    cfg.MODEL.ROI_BOX_HEAD.NAME, cfg.MODEL.ROI_BOX_HEAD.NUM_FC = "FastRCNNConvFCHead", 2
    cfg.MODEL.ROI_BOX_HEAD.POOLER_TYPE, cfg.MODEL.MASK_ON = "ROIAlignV2", True
    images, features = ImageList(torch.rand(2, 20, 30), SIZES), {"res4": torch.rand(2, 1024, 1, 2)}
    ground_truth = [
        image_ground_truth([[1.0, 1, 3, 3], [2, 2, 6, 6]], [2, 1]),
        image_ground_truth([[1.0, 5, 2, 8], [7, 3, 10, 5]], [1, 2]),
    ]
    shapes = {"res4": ShapeSpec(channels=1024, stride=16)}
    generator, heads = build_proposal_generator(cfg, shapes), StandardROIHeads(cfg, shapes)
    with EventStorage():
        _, losses = heads(images, features, generator(images, features, ground_truth)[0], ground_truth)
    expected = {"loss_cls": 4.5253729820251465, "loss_box_reg": 0.009785720147192478, "loss_mask": 0.693184494972229}
    assert {name: value.item() for name, value in losses.items()} == pytest.approx(expected, rel=1e-5)


def losses_of_layers(layers_class, transform, proposals, ground_truth):
    torch.manual_seed(132)
    layers = layers_class(ShapeSpec(channels=8), box2box_transform=transform, num_classes=5)
    predictions = layers(torch.rand(2, 8))
    targets = Instances((10, 10), proposal_boxes=proposals, gt_boxes=ground_truth, gt_classes=torch.tensor([1, 2]))
    with EventStorage():
        return {name: value.item() for name, value in layers.losses(predictions, [targets]).items()}


def test_box_layers_reproduce_losses():
    proposals, ground_truth = [[0.8, 1.1, 3.2, 2.8], [2.3, 2.5, 7, 8]], [[1.0, 1, 3, 3], [2, 2, 6, 6]]
    transform = Box2BoxTransform(weights=(10, 10, 5, 5))
    losses = losses_of_layers(FastRCNNOutputLayers, transform, Boxes(proposals), Boxes(ground_truth))
    assert losses == pytest.approx({"loss_cls": 1.7951188087, "loss_box_reg": 4.0357131958}, rel=1e-5)


def test_rotated_box_layers_reproduce_losses():
    proposals, ground_truth = [[2, 1.95, 2.4, 1.7, 0], [4.65, 5.25, 4.7, 5.5, 0]], [[2.0, 2, 2, 2, 0], [4, 4, 4, 4, 0]]
    transform = Box2BoxTransformRotated(weights=(10, 10, 5, 5, 1))
    boxes = (RotatedBoxes(torch.tensor(rows)) for rows in (proposals, ground_truth))
    losses = losses_of_layers(RotatedFastRCNNOutputLayers, transform, *boxes)
    assert losses == pytest.approx({"loss_cls": 1.7920907736, "loss_box_reg": 4.0410838127}, rel=1e-5)
