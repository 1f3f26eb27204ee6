"""Deformable DETR in its three variants."""

import pytest
import torch

from detectory.modeling.backbone import BasicStem, ResNet
from detectory.modeling.deformable_detr import ChannelMapper, DeformableDETR, DeformableTransformer
from detectory.modeling.detr import FocalSetCriterion, SinePositionEncoding
from detectory.structures import Boxes, Instances

CLASSES = 3
VARIANTS = {
    "plain": {},
    "refinement": {"box_refinement": True},
    "two stages": {"box_refinement": True, "two_stage": True},
}


def build(**variant):
    torch.manual_seed(0)
    resnet = ResNet(
        BasicStem(out_channels=64), ResNet.make_default_stages(18), out_features=["res3", "res4", "res5"], freeze_at=1
    )
    return DeformableDETR(
        backbone=ChannelMapper(resnet, out_channels=32),
        position_encoding=SinePositionEncoding(16, offset=-0.5),
        transformer=DeformableTransformer(
            channels=32, num_heads=4, hidden=32, num_encoder_layers=1, num_decoder_layers=2, dropout=0.0
        ),
        criterion=FocalSetCriterion(num_classes=CLASSES),
        num_queries=10,
        num_classes=CLASSES,
        pixel_mean=[110.0] * 3,
        pixel_std=[60.0] * 3,
        **variant,
    )


def batch():
    targets = Instances(
        (64, 96),
        gt_boxes=Boxes(torch.tensor([[4.0, 4.0, 60.0, 50.0], [40.0, 20.0, 90.0, 60.0]])),
        gt_classes=torch.tensor([0, 2]),
    )
    torch.manual_seed(1)
    return [
        {"image": torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8), "instances": targets},
        {"image": torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8), "instances": targets[:0]},
    ]


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_losses_of_all_layers_and_stages_reach_all_parameters(variant):
    model = build(**variant)
    losses = model(batch())
    names = {"loss_ce", "loss_bbox", "loss_giou"}
    assert {f"{name}_0" for name in names} | names <= set(losses)
    assert ("loss_ce_proposals" in losses) == ("two_stage" in variant)
    sum(losses.values()).backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_padding_does_not_change_detections(variant):
    model = build(**variant).eval()
    first, second = batch()
    with torch.no_grad():
        alone = model([second])[0]["instances"]
        together = model([first, second])[1]["instances"]
    assert len(alone) == len(together) == 30
    assert torch.allclose(alone.scores, together.scores, atol=0.05)


def test_two_stages_need_refinement():
    with pytest.raises(ValueError, match="two_stage needs box_refinement"):
        build(two_stage=True)
