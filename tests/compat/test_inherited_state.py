"""State that subclasses of Detectron2's classes use: lists of layers, underscore attributes, Matplotlib axes."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.data import MetadataCatalog
from detectory.compat.detectron2.data.samplers import TrainingSampler
from detectory.compat.detectron2.evaluation import PascalVOCDetectionEvaluator
from detectory.compat.detectron2.export import TracingAdapter
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.backbone import FPN, Backbone, BasicStem, ResNet, ViT
from detectory.compat.detectron2.modeling.meta_arch.semantic_seg import SemSegFPNHead
from detectory.compat.detectron2.modeling.roi_heads import (
    FastRCNNConvFCHead,
    KRCNNConvDeconvUpsampleHead,
    MaskRCNNConvUpsampleHead,
)
from detectory.compat.detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputs
from detectory.compat.detectron2.structures import Boxes, Instances
from detectory.compat.detectron2.tracking import BBoxIOUTracker
from detectory.compat.detectron2.utils.registry import Registry
from detectory.compat.detectron2.utils.visualizer import Visualizer


class TwoLevels(Backbone):
    def __init__(self):
        super().__init__()
        self._out_features = ["a", "b"]
        self._out_feature_channels, self._out_feature_strides = {"a": 3, "b": 3}, {"a": 1, "b": 2}

    def forward(self, x):
        return {"a": x, "b": F.avg_pool2d(x, 2)}


class OwnFPN(FPN):
    """A pyramid whose forward pass uses the lists of convolutions, from coarse to fine."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._size_divisibility = 64

    def forward(self, x):
        features, outputs, previous = self.bottom_up(x), [], None
        levels = zip(reversed(self.in_features), self.lateral_convs, self.output_convs, strict=True)
        for name, lateral, output in levels:
            current = lateral(features[name])
            if previous is not None:
                current = current + F.interpolate(previous, scale_factor=2.0, mode="nearest")
                if self._fuse_type == "avg":
                    current = current / 2
            outputs.insert(0, output(current))
            previous = current
        return dict(zip(self._out_features, outputs, strict=True))


@pytest.mark.parametrize("fuse_type", ["sum", "avg"])
def test_fpn_subclass_uses_the_lists_of_convolutions(fuse_type):
    own = OwnFPN(TwoLevels(), ["a", "b"], 4, fuse_type=fuse_type)
    plain = FPN(TwoLevels(), ["a", "b"], 4, fuse_type=fuse_type)
    plain.load_state_dict(own.state_dict())
    x = torch.rand(1, 3, 8, 8)
    for name, level in plain(x).items():
        torch.testing.assert_close(own(x)[name], level)
    assert (own.size_divisibility, plain.size_divisibility) == (64, 2)


def test_fpn_subclass_changes_its_padding():
    fpn = FPN(TwoLevels(), ["a", "b"], 4, square_pad=32)
    assert fpn.padding_constraints == {"square_size": 32}
    fpn._square_pad = 0
    assert fpn.padding_constraints == {}


class OwnResNet(ResNet):
    def forward(self, x):
        x, outputs = self.stem(x), {}
        for name, stage in zip(self.stage_names, self.stages, strict=True):
            x = stage(x)
            outputs[name] = x
        return outputs


def test_resnet_subclass_uses_its_stages_also_when_scripted():
    stages = ResNet.make_default_stages(18, norm="BN")
    resnet = OwnResNet(BasicStem(norm="BN"), stages, out_features=["res2", "res5"]).eval()
    x = torch.rand(1, 3, 64, 64)
    plain = ResNet.forward(resnet, x)
    assert list(resnet(x)) == ["res2", "res3", "res4", "res5"]
    assert torch.equal(resnet(x)["res5"], plain["res5"])
    assert resnet.__prepare_scriptable__() is resnet


class ListedLayers(MaskRCNNConvUpsampleHead):
    def layers(self, x):
        for layer in self.conv_norm_relus:
            x = layer(x)
        return self.predictor(F.relu(self.deconv(x)))


class SequentialLayers(MaskRCNNConvUpsampleHead):
    def layers(self, x):
        for layer in self:
            x = layer(x)
        return x


@pytest.mark.parametrize("cls", [ListedLayers, SequentialLayers])
def test_mask_head_subclass_uses_its_layers(cls):
    arguments = {"num_classes": 2, "conv_dims": [4, 4, 4], "vis_period": 7}
    head = cls(ShapeSpec(channels=3, height=7, width=7), **arguments)
    x = torch.rand(2, 3, 7, 7)
    torch.testing.assert_close(head.layers(x), MaskRCNNConvUpsampleHead.layers(head, x))
    assert len(head.conv_norm_relus) == 2
    assert head.vis_period == 7


@pytest.mark.parametrize("fc_dims", [[], [6, 5]])
def test_box_head_subclass_uses_its_layers(fc_dims):
    class Listed(FastRCNNConvFCHead):
        def forward(self, x):
            for layer in self.conv_norm_relus:
                x = layer(x)
            if len(self.fcs):
                x = torch.flatten(x, start_dim=1)
            for layer in self.fcs:
                x = F.relu(layer(x))
            return x

    head = Listed(ShapeSpec(channels=3, height=7, width=7), conv_dims=[4, 4], fc_dims=fc_dims)
    x = torch.rand(2, 3, 7, 7)
    expected = FastRCNNConvFCHead.forward(head, x)
    torch.testing.assert_close(head(x), expected)
    torch.testing.assert_close(nn.Sequential(*head)(x), expected)
    assert head._output_size == (5 if fc_dims else (4, 7, 7))
    assert head.output_shape.channels == (5 if fc_dims else 4)
    head._output_size = 10
    assert head.output_shape == ShapeSpec(channels=10)
    assert head.__prepare_scriptable__() is head


def test_keypoint_head_yields_its_layers():
    head = KRCNNConvDeconvUpsampleHead(ShapeSpec(channels=3, height=7, width=7), num_keypoints=2, conv_dims=[4, 4])
    x = torch.rand(2, 3, 7, 7)
    low = nn.Sequential(*head)(x)
    upsampled = F.interpolate(low, scale_factor=head.up_scale, mode="bilinear", align_corners=False)
    torch.testing.assert_close(head.layers(x), upsampled)


def test_semantic_head_subclass_uses_its_scale_heads():
    shapes = {"p3": ShapeSpec(channels=3, stride=8), "p2": ShapeSpec(channels=3, stride=4)}
    head = SemSegFPNHead(shapes, num_classes=2, conv_dims=4, common_stride=4)
    features = {"p2": torch.rand(1, 3, 8, 8), "p3": torch.rand(1, 3, 4, 4)}
    summed = sum(layers(features[name]) for name, layers in zip(head.in_features, head.scale_heads, strict=True))
    torch.testing.assert_close(head.predictor(summed), head.layers(features))


def test_transformers_call_an_overridden_initialization():
    class Zeros(ViT):
        def _init_weights(self, m):
            super()._init_weights(m)
            if isinstance(m, nn.Linear):
                nn.init.zeros_(m.weight)

    vit = Zeros(img_size=32, embed_dim=8, depth=1, num_heads=2)
    assert not vit.blocks[0].attn.qkv.weight.any()


def test_sampler_subclass_uses_seed_size_and_shuffle():
    class Reversed(TrainingSampler):
        def _infinite_indices(self):
            generator = torch.Generator().manual_seed(self._seed)
            while True:
                order = torch.randperm(self._size, generator=generator) if self._shuffle else torch.arange(self._size)
                yield from order.flip(0).tolist()

    sampler = Reversed(4, shuffle=False, seed=3)
    assert list(itertools.islice(sampler, 5)) == [3, 2, 1, 0, 3]
    sampler._size = 2
    assert list(itertools.islice(sampler, 3)) == [1, 0, 1]


@pytest.fixture
def voc_dataset(tmp_path):
    for folder in ("Annotations", "ImageSets/Main"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ImageSets/Main/val.txt").write_text("a\nb\nc\n1\n")
    box = "<bndbox><xmin>11</xmin><ymin>11</ymin><xmax>30</xmax><ymax>30</ymax></bndbox>"
    for name in ("a", "b", "c", "1"):
        text = f"<annotation><object><name>cat</name>{box}</object></annotation>"
        (tmp_path / f"Annotations/{name}.xml").write_text(text)
    MetadataCatalog.get("voc_state").set(dirname=str(tmp_path), split="val", year=2012, thing_classes=["cat", "dog"])
    yield "voc_state"
    MetadataCatalog.remove("voc_state")


def test_voc_evaluator_keeps_the_lines_of_result_files(voc_dataset):
    evaluator = PascalVOCDetectionEvaluator(voc_dataset)
    for name in ("a", "b", "c", "1"):
        instances = Instances((40, 40), pred_boxes=Boxes([[10.0, 10.04, 30, 30]]), scores=torch.tensor([0.98765]))
        instances.pred_classes = torch.tensor([0])
        evaluator.process([{"image_id": name}], [{"instances": instances}])
    assert evaluator._predictions[0][0] == "a 0.988 11.0 11.0 30.0 30.0"
    assert evaluator._anno_file_template.endswith("Annotations/{}.xml")
    assert evaluator.evaluate()["bbox"]["AP50-cat"] == pytest.approx(100)
    assert len(evaluator._predictions[0]) == 4


def test_visualizer_subclass_draws_with_matplotlib(tmp_path):
    pytest.importorskip("matplotlib")
    image = np.full((40, 60, 3), 200, np.uint8)
    visualizer = Visualizer(image, scale=2)
    visualizer.output.ax.fill([10, 50, 50, 10], [10, 10, 30, 30], color="blue")
    drawn = visualizer.get_output().get_image()
    assert drawn.shape == (80, 120, 3)
    assert drawn[40, 60].tolist() == [0, 0, 255]
    assert drawn[4, 4].tolist() == [200, 200, 200]
    visualizer.get_output().save(str(tmp_path / "drawn.png"))
    assert (tmp_path / "drawn.png").stat().st_size > 0


def boxes_of(*boxes):
    return Instances((100, 100), pred_boxes=Boxes(torch.tensor(boxes)), scores=torch.ones(len(boxes)))


def test_tracker_subclass_decides_about_lost_objects():
    class Forgetful(BBoxIOUTracker):
        def _merge_untracked_instances(self, instances):
            self.lost = set(self._untracked_prev_idx)
            return instances

    arguments = {"video_height": 100, "video_width": 100, "max_lost_frame_count": 3, "min_instance_period": 0}
    forgetful, plain = Forgetful(**arguments), BBoxIOUTracker(**arguments)
    for tracker in (forgetful, plain):
        tracker.update(boxes_of([0.0, 0, 20, 20], [50.0, 50, 80, 80]))
    assert forgetful.update(boxes_of([1.0, 0, 21, 20])).ID == [0]
    assert forgetful.lost == {1}
    assert plain.update(boxes_of([1.0, 0, 21, 20])).ID == [0, 1]


def test_registry_subclass_decides_about_duplicates():
    class Replacing(Registry):
        def _do_register(self, name, obj):
            self._obj_map[name] = obj

    registry = Replacing("THINGS")
    registry.register(name="a")(int)
    registry.register(name="a")(str)
    assert registry.get("a") is str


def test_config_has_the_private_steps_of_yacs(tmp_path):
    cfg = CfgNode({"A": {"B": 1}})
    cfg._immutable(True)
    assert cfg.A.is_frozen()
    (tmp_path / "a.yaml").write_text("A: 3")
    with (tmp_path / "a.yaml").open() as file:
        assert CfgNode.load_cfg(file).A == 3
    assert CfgNode._load_cfg_from_yaml_str("A: 4").A == 4


def test_tracing_adapter_wraps_a_traced_model():
    class Shift(nn.Module):
        def forward(self, boxes):
            return {"moved": Boxes(boxes.tensor + 1)}

    adapter = TracingAdapter(Shift(), Boxes(torch.zeros(1, 4)))
    traced = torch.jit.trace(adapter, adapter.flattened_inputs)
    assert adapter._create_wrapper(traced)(Boxes(torch.ones(2, 4)))["moved"].tensor.tolist() == [[2.0] * 4] * 2


def test_old_outputs_compute_losses_in_overridable_methods():
    class Weighted(FastRCNNOutputs):
        def softmax_cross_entropy_loss(self):
            return 3 * super().softmax_cross_entropy_loss()

    from detectory.compat.detectron2.modeling.box_regression import Box2BoxTransform

    boxes = Boxes([[0.0, 0, 10, 10]])
    proposals = [Instances((20, 20), proposal_boxes=boxes, gt_boxes=boxes, gt_classes=torch.tensor([1]))]
    arguments = (Box2BoxTransform((1.0, 1, 1, 1)), torch.zeros(1, 3), torch.ones(1, 8), proposals)
    losses, weighted = FastRCNNOutputs(*arguments).losses(), Weighted(*arguments).losses()
    assert weighted["loss_cls"] == pytest.approx(3 * losses["loss_cls"])
    assert losses["loss_box_reg"] == weighted["loss_box_reg"] > 0
