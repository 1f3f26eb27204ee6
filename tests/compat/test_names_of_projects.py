"""Names that projects import from Detectron2 and fvcore beside the documented ones."""

import importlib

import pytest
import torch

from detectory.compat.detectron2.data.datasets import builtin_meta
from detectory.compat.detectron2.layers.deform_conv import deform_conv, modulated_deform_conv

NAMES = {
    "detectron2.data.datasets.builtin_meta": ["COCO_CATEGORIES", "_get_builtin_metadata", "_get_coco_instances_meta"],
    "detectron2.data.datasets.pascal_voc": ["CLASS_NAMES"],
    "detectron2.data.datasets.register_coco": ["register_coco_instances", "register_coco_panoptic_separated"],
    "detectron2.engine.hooks": ["HookBase"],
    "detectron2.layers.deform_conv": ["deform_conv", "modulated_deform_conv"],
    "detectron2.modeling.box_regression": ["_dense_box_regression_loss"],
    "detectron2.modeling.meta_arch.retinanet": ["permute_to_N_HWA_K"],
    "detectron2.modeling.roi_heads.cascade_rcnn": ["_ScaleGradient"],
    "detectron2.modeling.roi_heads.fast_rcnn": ["_log_classification_stats"],
    "detectron2.utils.visualizer": ["_create_text_labels", "random_color"],
    "fvcore.nn": ["sigmoid_focal_loss_jit"],
}


@pytest.mark.parametrize("module", NAMES)
def test_a_module_has_what_projects_take_from_it(module):
    found = importlib.import_module(f"detectory.compat.{module}")
    assert [name for name in NAMES[module] if not hasattr(found, name)] == []


def test_constants_of_built_in_datasets_have_their_documented_sizes():
    names = ["COCO_CATEGORIES", "CITYSCAPES_CATEGORIES", "ADE20K_SEM_SEG_CATEGORIES", "COCO_PERSON_KEYPOINT_NAMES"]
    assert [len(getattr(builtin_meta, name)) for name in names] == [133, 19, 150, 17]
    assert builtin_meta._get_builtin_metadata("coco")["thing_classes"][:2] == ["person", "bicycle"]
    assert len(builtin_meta._get_builtin_metadata("cityscapes")["thing_classes"]) == 8


def test_an_unknown_family_of_datasets_is_named():
    with pytest.raises(KeyError, match="no built-in metadata for 'cocoa'"):
        builtin_meta._get_builtin_metadata("cocoa")
    with pytest.raises(AttributeError, match="no attribute 'COCOA'"):
        builtin_meta.COCOA  # noqa: B018


@pytest.mark.parametrize("groups", [1, 2])
def test_deformable_convolutions_without_offsets_are_plain_ones(groups):
    x, weight = torch.rand(2, 4, 6, 7), torch.rand(6, 4 // groups, 3, 3)
    offset, ones = torch.zeros(2, 18, 6, 7), torch.ones(2, 9, 6, 7)
    plain = torch.nn.functional.conv2d(x, weight, padding=1, groups=groups)
    torch.testing.assert_close(deform_conv(x, offset, weight, 1, 1, 1, groups), plain)
    torch.testing.assert_close(modulated_deform_conv(x, offset, ones, weight, None, 1, 1, 1, groups), plain)


def test_groups_that_the_shapes_contradict_are_refused():
    x, weight = torch.rand(2, 4, 6, 7), torch.rand(6, 2, 3, 3)
    with pytest.raises(ValueError, match=r"deform_conv: weight .* groups=1 of 4 channels"):
        deform_conv(x, torch.zeros(2, 18, 6, 7), weight, 1, 1)
    with pytest.raises(ValueError, match="offset must have 36 channels for deformable_groups=2, got 18"):
        deform_conv(x, torch.zeros(2, 18, 6, 7), weight, 1, 1, 1, 2, 2)
