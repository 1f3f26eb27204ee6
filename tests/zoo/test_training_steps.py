"""Every recipe's model runs inference and a training step: finite losses, a gradient for every trained parameter."""

import json
from pathlib import Path

import pytest
import torch

from detectory.core.config import instantiate
from detectory.core.events import EventStorage
from detectory.structures import BitMasks, Boxes, Instances, Keypoints
from detectory.zoo import get_config, recipes

SIDE = 128
QUICK = ("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x",)
# Longer schedules train the same models; the largest backbones need 6 GB and differ only in size.
EXCLUDED = (
    "200ep_LSJ",
    "400ep_LSJ",
    "100ep_LSJ",
    "_h_",
    "mmdet",
    "imagenet",
    "LVIS/",
    "LVISv",
    "Base",
    "FPN_3x",
    "FPN_9x",
)
# Models that do not predict instances, or need proposals as input.
EXCLUDED += ("rpn_", "semantic", "/fast_rcnn", "R_50_3x", "R_101_3x")


OWN = json.loads((Path(recipes.__file__).parent / "index.json").read_text(encoding="utf-8"))
"""The recipes of the zoo, without those of projects."""

NAMES = [
    name if name in QUICK or name.endswith("_small") else pytest.param(name, marks=pytest.mark.slow)
    for name in OWN
    if (not any(part in name for part in EXCLUDED) or name == "ViTDet/LVIS/mask_rcnn_vitdet_b_100ep")
]


def small_model(name):
    """Return the recipe's model with few regions, without padding to 1024 pixels and without stochastic depth."""
    config = get_config(name).model
    if "square_pad" in config.backbone:
        config.backbone.square_pad = SIDE
        config.backbone[next(key for key in ("net", "bottom_up") if key in config.backbone)].drop_path_rate = 0.0
    if "roi_heads" in config:
        config.roi_heads.batch_size_per_image = 16
        config.proposal_generator.post_nms_topk = [50, 20]
    torch.manual_seed(0)
    return instantiate(config)


def training_input():
    """Return an image with three objects and the ground truth of all heads."""
    boxes = torch.tensor([[4.0, 8, 60, 100], [30, 20, 120, 70], [70, 60, 110, 120]])
    masks = torch.zeros(3, SIDE, SIDE, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = True
    points = (boxes[:, :2] + boxes[:, 2:]).unsqueeze(1).expand(3, 17, 2) / 2
    objects = Instances((SIDE, SIDE), gt_boxes=Boxes(boxes), gt_classes=torch.zeros(3, dtype=torch.int64))
    objects.gt_masks = BitMasks(masks)
    objects.gt_keypoints = Keypoints(torch.cat([points, torch.full((3, 17, 1), 2.0)], dim=2))
    image = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 255
    return {"image": image, "instances": objects, "sem_seg": masks.any(dim=0).long()}


@pytest.mark.parametrize("name", NAMES)
def test_model_detects_and_trains(name):
    model = small_model(name)
    item = training_input()
    with torch.no_grad():
        instances = model.eval()([item])[0]["instances"]
    assert instances.scores.isfinite().all()
    with EventStorage():
        losses = model.train()([item])
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    without_gradient = [key for key, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert without_gradient == []
    assert all(value.grad.isfinite().all() for value in model.parameters() if value.grad is not None)
