"""Snippets of Detectron2's tutorials "Yacs Configs" and "Lazy Configs", with adapted module paths."""

import sys

import pytest
import torch

from detectory.compat.detectron2.config import LazyCall as L
from detectory.compat.detectron2.config import LazyConfig, get_cfg, instantiate
from detectory.compat.detectron2.engine import default_argument_parser
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.model_zoo import get_config
from detectory.compat.detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.compat.detectron2.modeling.backbone import FPN, BasicStem, ResNet
from detectory.compat.detectron2.modeling.backbone.fpn import LastLevelMaxPool
from detectory.compat.detectron2.modeling.box_regression import Box2BoxTransform
from detectory.compat.detectron2.modeling.matcher import Matcher
from detectory.compat.detectron2.modeling.meta_arch import GeneralizedRCNN
from detectory.compat.detectron2.modeling.poolers import ROIPooler
from detectory.compat.detectron2.modeling.proposal_generator import RPN, StandardRPNHead
from detectory.compat.detectron2.modeling.roi_heads import (
    FastRCNNConvFCHead,
    FastRCNNOutputLayers,
    MaskRCNNConvUpsampleHead,
    StandardROIHeads,
)

PYRAMID, SCALES = ["p2", "p3", "p4", "p5"], [1 / 4, 1 / 8, 1 / 16, 1 / 32]


def test_yaml_config_can_be_extended_merged_and_dumped(tmp_path):
    (tmp_path / "base.yaml").write_text("MODEL:\n  WEIGHTS: base.pkl\n  MASK_ON: true\n")
    (tmp_path / "my_cfg.yaml").write_text("_BASE_: base.yaml\nMODEL:\n  WEIGHTS: own.pkl\nOWN_KEY: 7\n")
    cfg = get_cfg()
    cfg.OWN_KEY = 5
    cfg.merge_from_file(str(tmp_path / "my_cfg.yaml"))
    assert (cfg.OWN_KEY, cfg.MODEL.WEIGHTS, cfg.MODEL.MASK_ON) == (7, "own.pkl", True)
    cfg.merge_from_list(["MODEL.WEIGHTS", "weights.pth"])
    assert "WEIGHTS: weights.pth" in cfg.dump()


def test_command_line_overrides_a_yaml_config():
    flags = ["--config-file", "config.yaml", "MODEL.WEIGHTS", "/path/to/weights", "INPUT.MIN_SIZE_TEST", "1000"]
    args, cfg = default_argument_parser().parse_args(flags), get_cfg()
    cfg.merge_from_list(args.opts)
    assert (cfg.MODEL.WEIGHTS, cfg.INPUT.MIN_SIZE_TEST) == ("/path/to/weights", 1000)


def test_yaml_config_accepts_project_settings(tmp_path):
    pytest.importorskip("detectory.projects.point_rend", reason="needs detectory-point-rend")
    from detectory.compat.detectron2.projects.point_rend import add_pointrend_config

    cfg = get_cfg()
    add_pointrend_config(cfg)
    (tmp_path / "point_rend.yaml").write_text("MODEL:\n  POINT_HEAD:\n    NUM_CLASSES: 19\n")
    cfg.merge_from_file(str(tmp_path / "point_rend.yaml"))
    assert (cfg.MODEL.POINT_HEAD.NUM_CLASSES, cfg.MODEL.POINT_HEAD.TRAIN_NUM_POINTS) == (19, 196)


def test_python_config_loads_as_an_omegaconf_dictionary(tmp_path):
    (tmp_path / "config.py").write_text("a = dict(x=1, y=2, z=dict(xx=1))\nb = dict(x=3, y=4)\n")
    cfg = LazyConfig.load(str(tmp_path / "config.py"))
    assert cfg.a.z.xx == 1
    assert set(cfg) == {"a", "b"}


def test_python_config_imports_sibling_files(tmp_path):
    (tmp_path / "base.py").write_text("model = dict(depth=50)\n")
    (tmp_path / "config.py").write_text("from .base import model\n\nmodel.depth = 101\n")
    assert LazyConfig.load(str(tmp_path / "config.py")).model.depth == 101
    assert LazyConfig.load(str(tmp_path / "base.py")).model.depth == 50


@pytest.fixture
def my_app(tmp_path, monkeypatch):
    (tmp_path / "my_app.py").write_text(
        "from dataclasses import dataclass\n\n"
        "@dataclass\nclass Optimizer:\n    lr: float\n    algo: str\n\n"
        "class Trainer:\n    def __init__(self, optimizer):\n        self.optimizer = optimizer\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield pytest.importorskip("my_app")
    sys.modules.pop("my_app")


def test_lazy_call_is_executed_by_instantiate(my_app):
    cfg = L(my_app.Trainer)(optimizer=L(my_app.Optimizer)(lr=0.01, algo="SGD"))
    cfg.optimizer.lr = 0.02
    trainer = instantiate(cfg)
    assert isinstance(trainer, my_app.Trainer)
    assert (trainer.optimizer.lr, trainer.optimizer.algo) == (0.02, "SGD")


def test_lazy_call_is_saved_with_its_dotted_path(my_app, tmp_path):
    LazyConfig.save(L(my_app.Trainer)(optimizer=L(my_app.Optimizer)(lr=0.01, algo="SGD")), str(tmp_path / "saved.yaml"))
    described = {"_target_": "my_app.Optimizer", "lr": 0.01, "algo": "SGD"}
    assert LazyConfig.load(str(tmp_path / "saved.yaml")) == {"_target_": "my_app.Trainer", "optimizer": described}
    assert instantiate(LazyConfig.load(str(tmp_path / "saved.yaml"))).optimizer.algo == "SGD"


def lazy_backbone():
    bottom_up = L(ResNet)(
        stem=L(BasicStem)(in_channels=3, out_channels=64, norm="FrozenBN"),
        stages=L(ResNet.make_default_stages)(depth=50, stride_in_1x1=True, norm="FrozenBN"),
        out_features=["res2", "res3", "res4", "res5"],
    )
    inputs, top = "${.bottom_up.out_features}", L(LastLevelMaxPool)()
    return L(FPN)(bottom_up=bottom_up, in_features=inputs, out_channels=256, top_block=top)


def lazy_proposal_generator():
    return L(RPN)(
        in_features=[*PYRAMID, "p6"],
        head=L(StandardRPNHead)(in_channels=256, num_anchors=3),
        anchor_generator=L(DefaultAnchorGenerator)(
            sizes=[[32], [64], [128], [256], [512]],
            aspect_ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
            offset=0.0,
        ),
        anchor_matcher=L(Matcher)(thresholds=[0.3, 0.7], labels=[0, -1, 1], allow_low_quality_matches=True),
        box2box_transform=L(Box2BoxTransform)(weights=[1.0, 1.0, 1.0, 1.0]),
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_topk=(2000, 1000),
        post_nms_topk=(1000, 1000),
        nms_thresh=0.7,
    )


def lazy_roi_heads():
    pooler = {"scales": SCALES, "sampling_ratio": 0, "pooler_type": "ROIAlignV2"}
    shape = ShapeSpec(channels=256, height=7, width=7)
    return L(StandardROIHeads)(
        num_classes=80,
        batch_size_per_image=512,
        positive_fraction=0.25,
        proposal_matcher=L(Matcher)(thresholds=[0.5], labels=[0, 1], allow_low_quality_matches=False),
        box_in_features=PYRAMID,
        box_pooler=L(ROIPooler)(output_size=7, **pooler),
        box_head=L(FastRCNNConvFCHead)(input_shape=shape, conv_dims=[], fc_dims=[1024, 1024]),
        box_predictor=L(FastRCNNOutputLayers)(
            input_shape=ShapeSpec(channels=1024),
            test_score_thresh=0.05,
            box2box_transform=L(Box2BoxTransform)(weights=(10, 10, 5, 5)),
            num_classes="${..num_classes}",
        ),
        mask_in_features=PYRAMID,
        mask_pooler=L(ROIPooler)(output_size=14, **pooler),
        mask_head=L(MaskRCNNConvUpsampleHead)(
            input_shape=ShapeSpec(channels=256, width=14, height=14),
            num_classes="${..num_classes}",
            conv_dims=[256, 256, 256, 256, 256],
        ),
    )


def test_a_complete_mask_rcnn_can_be_written_as_lazy_calls():
    model = L(GeneralizedRCNN)(
        backbone=lazy_backbone(),
        proposal_generator=lazy_proposal_generator(),
        roi_heads=lazy_roi_heads(),
        pixel_mean=[103.530, 116.280, 123.675],
        pixel_std=[1.0, 1.0, 1.0],
        input_format="BGR",
    )
    with torch.device("meta"):
        built = instantiate(model)
        published = instantiate(get_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py").model)
    shapes = {name: value.shape for name, value in published.state_dict().items()}
    assert {name: value.shape for name, value in built.state_dict().items()} == shapes


def test_an_interpolated_value_changes_in_all_heads():
    model = L(GeneralizedRCNN)(roi_heads=lazy_roi_heads())
    LazyConfig.apply_overrides(model, ["roi_heads.num_classes=3"])
    assert (model.roi_heads.mask_head.num_classes, model.roi_heads.box_predictor.num_classes) == (3, 3)
