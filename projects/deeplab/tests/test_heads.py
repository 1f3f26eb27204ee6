"""DeepLab components."""

import math

import pytest
import torch

from detectory.compat.detectron2.config import get_cfg
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling import build_model
from detectory.projects.deeplab.detectron2 import (
    DeepLabCE,
    DeepLabV3PlusHead,
    add_deeplab_config,
    build_lr_scheduler,
    build_resnet_deeplab_backbone,
)


@pytest.fixture
def cfg():
    config = get_cfg()
    add_deeplab_config(config)
    config.MODEL.DEVICE, config.MODEL.META_ARCHITECTURE = "cpu", "SemanticSegmentor"
    config.MODEL.BACKBONE.NAME, config.MODEL.BACKBONE.FREEZE_AT = "build_resnet_deeplab_backbone", 0
    resnet = config.MODEL.RESNETS
    resnet.STEM_OUT_CHANNELS, resnet.WIDTH_PER_GROUP, resnet.RES2_OUT_CHANNELS = 16, 8, 32
    resnet.NORM, resnet.OUT_FEATURES, resnet.RES5_DILATION = "BN", ["res2", "res5"], 2
    head = config.MODEL.SEM_SEG_HEAD
    head.NAME, head.IN_FEATURES, head.NORM = "DeepLabV3PlusHead", ["res2", "res5"], "BN"
    head.CONVS_DIM, head.ASPP_CHANNELS, head.NUM_CLASSES = 16, 24, 5
    return config


def batch(size=64):
    return [{"image": torch.rand(3, size, size) * 255, "sem_seg": torch.randint(0, 5, (size, size))} for _ in range(2)]


@pytest.mark.parametrize("head", ["DeepLabV3PlusHead", "DeepLabV3Head"])
@pytest.mark.parametrize("crop", [False, True])
def test_a_segmentor_trains_and_predicts(cfg, head, crop):
    cfg.MODEL.SEM_SEG_HEAD.NAME = head
    cfg.INPUT.CROP.ENABLED, cfg.INPUT.CROP.TYPE, cfg.INPUT.CROP.SIZE = crop, "absolute", [64, 64]
    if head == "DeepLabV3Head":
        cfg.MODEL.SEM_SEG_HEAD.IN_FEATURES, cfg.MODEL.SEM_SEG_HEAD.COMMON_STRIDE = ["res5"], 16
    model = build_model(cfg)
    losses = model(batch())
    losses["loss_sem_seg"].backward()
    assert [name for name, value in model.named_parameters() if value.grad is None] == []
    assert model.eval()(batch())[0]["sem_seg"].shape == (5, 64, 64)


@pytest.mark.parametrize("depthwise", [False, True])
def test_head_without_classes_returns_the_decoder_features(depthwise):
    shapes = {name: ShapeSpec(channels=8, stride=stride) for name, stride in (("res5", 16), ("res3", 8), ("res2", 4))}
    head = DeepLabV3PlusHead(
        shapes,
        project_channels=[4, 6],
        aspp_dilations=[2, 4, 6],
        aspp_dropout=0.1,
        decoder_channels=[10, 12, 14],
        common_stride=4,
        norm="BN",
        use_depthwise_separable_conv=depthwise,
    ).eval()
    features = {name: torch.rand(1, 8, 64 // shape.stride, 64 // shape.stride) for name, shape in shapes.items()}
    assert head(features).shape == (1, 10, 16, 16)


@pytest.mark.parametrize(("dilations", "stride"), [((1, 1), 32), ((1, 2), 16), ((2, 4), 8)])
def test_dilations_keep_the_resolution(cfg, dilations, stride):
    cfg.MODEL.RESNETS.RES4_DILATION, cfg.MODEL.RESNETS.RES5_DILATION = dilations
    resnet = build_resnet_deeplab_backbone(cfg, ShapeSpec(channels=3)).eval()
    assert resnet(torch.rand(1, 3, 64, 64))["res5"].shape[-1] == 64 // stride
    assert resnet.output_shape()["res5"].stride == stride
    assert [block.conv2.dilation[0] for block in resnet.res5] == [dilations[1] * factor for factor in (1, 2, 4)]


@pytest.mark.parametrize(
    ("key", "value"), [("DEPTH", 18), ("STEM_TYPE", "wide"), ("RES4_DILATION", 2)], ids=["depth", "stem", "dilation"]
)
def test_rejects_incompatible_settings(cfg, key, value):
    cfg.MODEL.RESNETS[key] = value
    with pytest.raises(ValueError, match=key.lower()):
        build_resnet_deeplab_backbone(cfg, ShapeSpec(channels=3))


def test_loss_is_the_mean_over_the_hardest_pixels():
    logits = torch.zeros(1, 2, 1, 4)
    logits[0, 0, 0] = torch.tensor([4.0, -1, 0, -9])
    labels = torch.tensor([[[0, 0, 0, -1]]])  # the last pixel is ignored
    hardest = math.log1p(math.exp(1))
    assert DeepLabCE(-1, 0.25)(logits, labels).item() == pytest.approx(hardest)
    half = DeepLabCE(-1, 0.5)(logits, labels, torch.tensor([[[1.0, 0, 1, 1]]])).item()
    assert half == pytest.approx((math.log(2) + math.log1p(math.exp(-4))) / 2)


@pytest.mark.parametrize(("ending", "last"), [(0.0, 0.1**0.5), (0.5, 0.5)])
def test_learning_rate_decays_polynomially_after_the_warm_up(cfg, ending, last):
    cfg.SOLVER.LR_SCHEDULER_NAME, cfg.SOLVER.MAX_ITER, cfg.SOLVER.WARMUP_ITERS = "WarmupPolyLR", 10, 2
    cfg.SOLVER.POLY_LR_POWER, cfg.SOLVER.POLY_LR_CONSTANT_ENDING, cfg.SOLVER.WARMUP_FACTOR = 0.5, ending, 0.2
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule, rates = build_lr_scheduler(cfg, optimizer), []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:3] == pytest.approx([0.2, 0.6 * 0.9**0.5, 0.8**0.5])
    assert rates[-1] == pytest.approx(last)


def test_other_schedulers_are_detectron2s(cfg):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    assert type(build_lr_scheduler(cfg, optimizer)).__name__ == "LRMultiplier"
