"""Objects of the fvcore package from PyPI work with Detectory's, and the other way round."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("fvcore.common.config", reason="fvcore is not installed")

import fvcore
import fvcore.common.checkpoint
import fvcore.common.config
import fvcore.common.registry
import fvcore.nn
import fvcore.transforms.transform as real
import yacs.config

from detectory.compat.detectron2.checkpoint import DetectionCheckpointer
from detectory.compat.detectron2.config import CfgNode, configurable, get_cfg
from detectory.compat.detectron2.data import transforms as T
from detectory.compat.detectron2.engine import hooks
from detectory.compat.detectron2.solver import LRMultiplier, WarmupParamScheduler
from detectory.compat.detectron2.utils.registry import Registry

if fvcore.__name__ != "fvcore" or "site-packages" not in str(fvcore.__file__):
    pytest.skip("fvcore is Detectory's stand-in", allow_module_level=True)


def image():
    return np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)


class Half(real.Transform):
    def apply_image(self, img):
        return img[::2, ::2]

    def apply_coords(self, coords):
        return coords / 2

    def inverse(self):
        return real.NoOpTransform()


def test_transforms_of_fvcore_are_applied_by_augmentation_lists():
    class Augmentation(T.Augmentation):
        def get_transform(self, image):
            return real.HFlipTransform(image.shape[1])

    given = T.AugInput(image(), boxes=np.array([[1.0, 2, 5, 8]]))
    transforms = T.AugmentationList([Augmentation(), Half(), T.RandomFlip(prob=1.0)])(given)
    assert given.image.shape == (10, 15, 3)
    assert transforms.apply_box(np.array([[1.0, 2, 5, 8]]))[0].tolist() == given.boxes[0].tolist() == [0.5, 1, 2.5, 4]


def test_transform_lists_of_both_join():
    flip, half = T.HFlipTransform(30), Half()
    expected = half.apply_image(flip.apply_image(image()))
    for joined in (
        T.TransformList([flip]) + T.TransformList([half]),
        T.TransformList([flip, half]),
        real.TransformList([flip, half]),
        T.TransformList([flip]) + real.TransformList([half]),
        T.TransformList([flip]) + half,
    ):
        assert np.array_equal(joined.apply_image(image()), expected)


def test_transforms_are_instances_of_fvcores_class():
    assert isinstance(T.ResizeTransform(20, 30, 10, 15), T.Transform)
    assert T.TransformList([real.NoOpTransform(), T.NoOpTransform()]).apply_image(image()).shape == (20, 30, 3)


def test_configs_of_fvcore_merge_into_configs():
    theirs = fvcore.common.config.CfgNode({"MODEL": {"DEVICE": "cpu"}})
    ours = get_cfg()
    ours.merge_from_other_cfg(theirs)
    assert ours.MODEL.DEVICE == "cpu"
    base = fvcore.common.config.CfgNode({"A": 1, "B": {"C": 2.0}})
    base.merge_from_other_cfg(fvcore.common.config.CfgNode(CfgNode({"B": {"C": 3.0}})))
    assert base.B.C == 3.0


@pytest.mark.parametrize("cls", [yacs.config.CfgNode, fvcore.common.config.CfgNode], ids=["yacs", "fvcore"])
def test_configs_of_yacs_and_fvcore_merge_ours_as_they_are(cls):
    theirs = cls({"A": 1, "B": {"C": 2.0, "D": [1]}})
    theirs.merge_from_other_cfg(CfgNode({"B": {"C": 3.0, "D": [2, 3]}}))
    assert (theirs.A, theirs.B.C, theirs.B.D) == (1, 3.0, [2, 3])
    assert isinstance(theirs.B, cls)
    ours = CfgNode({"A": 1, "B": {"C": 2.0}})
    ours.merge_from_other_cfg(cls({"A": 5}))
    assert ours.A == 5
    assert isinstance(ours, yacs.config.CfgNode)
    assert ours.clone().dump() == "A: 5\nB:\n  C: 2.0\n"


def test_configs_of_fvcore_are_arguments_of_configurable():
    class Layer:
        @configurable
        def __init__(self, *, width):
            self.width = width

        @classmethod
        def from_config(cls, cfg):
            return {"width": cfg.WIDTH}

    assert Layer(fvcore.common.config.CfgNode({"WIDTH": 3})).width == 3
    assert Layer(CfgNode({"WIDTH": 4})).width == 4


def test_checkpointers_read_each_others_files(tmp_path):
    first, second = nn.Linear(2, 3), nn.Linear(2, 3)
    fvcore.common.checkpoint.Checkpointer(first, str(tmp_path)).save("theirs", iteration=3)
    assert DetectionCheckpointer(second).load(str(tmp_path / "theirs.pth"))["iteration"] == 3
    assert torch.equal(first.weight, second.weight)
    nn.init.zeros_(second.weight)
    DetectionCheckpointer(second, str(tmp_path)).save("ours", iteration=4)
    assert fvcore.common.checkpoint.Checkpointer(first).load(str(tmp_path / "ours.pth"))["iteration"] == 4
    assert first.weight.abs().sum() == 0


def test_hooks_accept_fvcores_checkpointers(tmp_path):
    model = nn.Linear(2, 3)
    checkpointer = fvcore.common.checkpoint.Checkpointer(model, str(tmp_path))
    hook = hooks.PeriodicCheckpointer(checkpointer, period=1)
    attributes = {"iter": 0, "max_iter": 2, "start_iter": 0, "stop_reason": None}
    hook.trainer = type("Trainer", (), {**attributes, "synchronize_state": lambda _: None})()
    hook.before_train()
    hook.after_step()
    hook.after_train()
    assert (tmp_path / "model_0000000.pth").is_file()


def test_schedules_of_fvcore_set_learning_rates():
    from fvcore.common.param_scheduler import CosineParamScheduler

    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=2.0)
    scheduler = LRMultiplier(optimizer, WarmupParamScheduler(CosineParamScheduler(1, 0), 0.5, 0.2, "linear"), 10)
    assert scheduler.get_last_lr()[0] < 2.0


def test_registries_of_both_hold_the_same_classes():
    theirs, ours = fvcore.common.registry.Registry("THEIRS"), Registry("OURS")

    @theirs.register()
    @ours.register()
    class Layer:
        pass

    assert theirs.get("Layer") is ours.get("Layer") is Layer


def test_fvcore_counts_operations_of_models():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    flops = fvcore.nn.FlopCountAnalysis(model, torch.zeros(1, 3, 8, 8)).unsupported_ops_warnings(False)
    from detectory.compat.fvcore.nn import FlopCountAnalysis

    assert flops.total() == FlopCountAnalysis(model, torch.zeros(1, 3, 8, 8)).total()
