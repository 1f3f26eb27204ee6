"""Snippets of the tutorials "Write Models", "Use Models" and "Extend the Defaults", with adapted module paths."""

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.checkpoint import DetectionCheckpointer
from detectory.compat.detectron2.config import get_cfg
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling import (
    BACKBONE_REGISTRY,
    ROI_HEADS_REGISTRY,
    Backbone,
    GeneralizedRCNN,
    ROIHeads,
    StandardROIHeads,
    build_backbone,
    build_model,
)
from detectory.compat.detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.compat.detectron2.modeling.backbone import FPN, BasicStem, ResNet
from detectory.compat.detectron2.modeling.backbone.fpn import LastLevelMaxPool
from detectory.compat.detectron2.modeling.box_regression import Box2BoxTransform
from detectory.compat.detectron2.modeling.matcher import Matcher
from detectory.compat.detectron2.modeling.poolers import ROIPooler
from detectory.compat.detectron2.modeling.proposal_generator import RPN, StandardRPNHead
from detectory.compat.detectron2.modeling.roi_heads import (
    FastRCNNConvFCHead,
    FastRCNNOutputLayers,
    MaskRCNNConvUpsampleHead,
)
from detectory.compat.detectron2.structures import Boxes, ImageList, Instances
from detectory.compat.detectron2.utils.events import EventStorage

NAME = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml"


def small_config(name=NAME):
    cfg = model_zoo.get_config(name)
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.RESNETS.DEPTH = 18
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    cfg.MODEL.FPN.OUT_CHANNELS = 32
    cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 64
    cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 16
    cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 20
    return cfg


@pytest.fixture
def inputs():
    return [{"image": torch.zeros(3, 64, 96), "height": 128, "width": 192}]


@BACKBONE_REGISTRY.register()
class ToyBackbone(Backbone):
    def __init__(self, cfg, input_shape):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=16, padding=3)

    def forward(self, image):
        return {"conv1": self.conv1(image)}

    def output_shape(self):
        return {"conv1": ShapeSpec(channels=64, stride=16)}


class MyRCNNOutput(FastRCNNOutputLayers):
    def losses(self, predictions, proposals):
        return {name: 2 * loss for name, loss in super().losses(predictions, proposals).items()}


@ROI_HEADS_REGISTRY.register()
class MyStandardROIHeads(StandardROIHeads):
    def __init__(self, cfg, input_shape):
        super().__init__(cfg, input_shape, box_predictor=MyRCNNOutput(cfg, ShapeSpec(channels=64)))


def test_registered_backbone_is_built_by_name(inputs):
    cfg = small_config()
    cfg.MODEL.BACKBONE.NAME = "ToyBackbone"
    cfg.MODEL.RPN.IN_FEATURES = cfg.MODEL.ROI_HEADS.IN_FEATURES = ["conv1"]
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[32, 64]]
    model = build_model(cfg).eval()
    with torch.no_grad():
        assert model(inputs)[0]["instances"].image_size == (128, 192)


def test_rejects_a_registered_backbone_that_is_not_a_backbone():
    @BACKBONE_REGISTRY.register(name="no_backbone")
    def build(cfg, input_shape):
        return nn.Identity()

    cfg = get_cfg()
    cfg.MODEL.BACKBONE.NAME = "no_backbone"
    with pytest.raises(TypeError, match=r"'no_backbone' must build a Backbone"):
        build_backbone(cfg)


def test_unknown_name_in_a_config_suggests_the_nearest():
    cfg = small_config()
    cfg.MODEL.ROI_HEADS.NAME = "StandardRoiHeads"
    with pytest.raises(KeyError, match=r"StandardROIHeads"):
        build_model(cfg)


def test_a_head_can_be_passed_in_addition_to_the_config():
    cfg = small_config()
    shapes = build_backbone(cfg).output_shape()
    predictor = MyRCNNOutput(cfg, ShapeSpec(channels=64))
    heads = StandardROIHeads(cfg, shapes, box_predictor=predictor, batch_size_per_image=7)
    assert (heads.box_predictor, heads.batch_size_per_image) == (predictor, 7)


def test_registered_variant_is_built_from_the_config():
    cfg = small_config()
    cfg.MODEL.ROI_HEADS.NAME = "MyStandardROIHeads"
    heads = build_model(cfg).roi_heads
    assert isinstance(heads, ROIHeads)
    assert isinstance(heads.box_predictor, MyRCNNOutput)


def test_config_and_arguments_can_be_combined():
    cfg = small_config()
    shapes = build_backbone(cfg).output_shape()
    heads = StandardROIHeads(cfg, shapes, batch_size_per_image=666)
    model = GeneralizedRCNN(cfg, roi_heads=heads, pixel_std=[57.0, 57.0, 57.0])
    assert model.roi_heads.batch_size_per_image == 666
    assert model.pixel_std.flatten().tolist() == [57.0] * 3


def test_subclass_can_override_one_head():
    class NoBoxHead(StandardROIHeads):
        @classmethod
        def _init_mask_head(cls, cfg, input_shape):
            return {}

    cfg = small_config()
    assert not NoBoxHead(cfg, build_backbone(cfg).output_shape()).mask_on


def test_model_is_built_from_explicit_arguments():
    scales = (1.0 / 4, 1.0 / 8, 1.0 / 16, 1.0 / 32)
    levels = ["p2", "p3", "p4", "p5"]
    bottom_up = ResNet(
        BasicStem(3, 64, norm="FrozenBN"),
        ResNet.make_default_stages(50, stride_in_1x1=True, norm="FrozenBN"),
        out_features=["res2", "res3", "res4", "res5"],
    ).freeze(2)
    rpn = RPN(
        in_features=[*levels, "p6"],
        head=StandardRPNHead(in_channels=256, num_anchors=3),
        anchor_generator=DefaultAnchorGenerator(
            sizes=[[32], [64], [128], [256], [512]],
            aspect_ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
            offset=0.0,
        ),
        anchor_matcher=Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True),
        box2box_transform=Box2BoxTransform([1.0, 1.0, 1.0, 1.0]),
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_topk=(2000, 1000),
        post_nms_topk=(1000, 1000),
        nms_thresh=0.7,
    )
    heads = StandardROIHeads(
        num_classes=80,
        batch_size_per_image=512,
        positive_fraction=0.25,
        proposal_matcher=Matcher([0.5], [0, 1], allow_low_quality_matches=False),
        box_in_features=levels,
        box_pooler=ROIPooler(7, scales, 0, "ROIAlignV2"),
        box_head=FastRCNNConvFCHead(ShapeSpec(channels=256, height=7, width=7), conv_dims=[], fc_dims=[1024, 1024]),
        box_predictor=FastRCNNOutputLayers(
            ShapeSpec(channels=1024),
            test_score_thresh=0.05,
            box2box_transform=Box2BoxTransform((10, 10, 5, 5)),
            num_classes=80,
        ),
        mask_in_features=levels,
        mask_pooler=ROIPooler(14, scales, 0, "ROIAlignV2"),
        mask_head=MaskRCNNConvUpsampleHead(
            ShapeSpec(channels=256, width=14, height=14), num_classes=80, conv_dims=[256, 256, 256, 256, 256]
        ),
    )
    backbone = FPN(bottom_up, ["res2", "res3", "res4", "res5"], 256, top_block=LastLevelMaxPool())
    model = GeneralizedRCNN(
        backbone=backbone,
        proposal_generator=rpn,
        roi_heads=heads,
        pixel_mean=[103.530, 116.280, 123.675],
        pixel_std=[1.0, 1.0, 1.0],
        input_format="BGR",
    )
    with torch.device("meta"):
        built = build_model(on_meta(model_zoo.get_config(NAME)))
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in built.state_dict().items()}


def on_meta(cfg):
    cfg.MODEL.DEVICE = "meta"
    return cfg


def test_training_returns_losses_under_an_event_storage():
    cfg = small_config()
    cfg.MODEL.MASK_ON = False
    instances = Instances((64, 96))
    instances.gt_boxes = Boxes(torch.tensor([[4.0, 4.0, 40.0, 50.0]]))
    instances.gt_classes = torch.tensor([3])
    with EventStorage() as storage:
        losses = build_model(cfg)([{"image": torch.zeros(3, 64, 96), "instances": instances}])
    assert set(losses) == {"loss_cls", "loss_box_reg", "loss_rpn_cls", "loss_rpn_loc"}
    assert "rpn/num_pos_anchors" in storage.latest()


def test_model_can_be_executed_in_parts(inputs):
    model = build_model(small_config()).eval()
    images = ImageList.from_tensors([inputs[0]["image"]], model.backbone.size_divisibility)
    with torch.no_grad():
        features = model.backbone(images.tensor)
        proposals, _ = model.proposal_generator(images, features)
        instances, _ = model.roi_heads(images, features, proposals)
        mask_features = [features[f] for f in model.roi_heads.in_features]
        mask_features = model.roi_heads.mask_pooler(mask_features, [x.pred_boxes for x in instances])
    assert mask_features.shape == (len(instances[0]), 32, 14, 14)


def test_checkpoint_is_saved_and_loaded(tmp_path):
    model, other = build_model(small_config()), build_model(small_config())
    DetectionCheckpointer(model, save_dir=str(tmp_path)).save("model_999")
    DetectionCheckpointer(other).load(str(tmp_path / "model_999.pth"))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_model_is_built_from_the_same_config_in_omegaconf():
    cfg = OmegaConf.create(small_config().dump())
    assert isinstance(build_model(cfg), GeneralizedRCNN)
