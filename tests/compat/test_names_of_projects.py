"""Undocumented names that projects import from Detectron2 and fvcore."""

import importlib

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.mask import encode

from detectory.compat.detectron2.data import detection_utils
from detectory.compat.detectron2.data.datasets import builtin_meta, lvis_v1_category_image_count
from detectory.compat.detectron2.evaluation.coco_evaluation import _evaluate_predictions_on_coco
from detectory.compat.detectron2.layers.deform_conv import deform_conv, modulated_deform_conv
from detectory.compat.detectron2.modeling.anchor_generator import _create_grid_offsets
from detectory.compat.detectron2.modeling.backbone.fpn import _assert_strides_are_log2_contiguous

NAMES = {
    "detectron2.data.datasets.builtin_meta": ["COCO_CATEGORIES", "_get_builtin_metadata", "_get_coco_instances_meta"],
    "detectron2.data.datasets.pascal_voc": ["CLASS_NAMES"],
    "detectron2.data.datasets.register_coco": ["register_coco_instances", "register_coco_panoptic_separated"],
    "detectron2.data.datasets.lvis": ["_get_lvis_instances_meta_v0_5", "_get_lvis_instances_meta_v1"],
    "detectron2.engine.hooks": ["HookBase"],
    "detectron2.layers.deform_conv": ["deform_conv", "modulated_deform_conv"],
    "detectron2.modeling.box_regression": ["_dense_box_regression_loss"],
    "detectron2.modeling.meta_arch.retinanet": ["permute_to_N_HWA_K"],
    "detectron2.modeling.roi_heads.cascade_rcnn": ["_ScaleGradient"],
    "detectron2.modeling.roi_heads.fast_rcnn": ["_log_classification_stats"],
    "detectron2.modeling.proposal_generator.proposal_utils": ["_is_tracing"],
    "detectron2.solver.lr_scheduler": ["_get_warmup_factor_at_iter"],
    "detectron2.structures.boxes": ["matched_boxlist_iou"],
    "detectron2.utils.visualizer": ["_KEYPOINT_THRESHOLD", "_OFF_WHITE", "_create_text_labels", "random_color"],
    "fvcore.nn": ["sigmoid_focal_loss_jit"],
}


@pytest.mark.parametrize("module", NAMES)
def test_module_has_the_names_used_by_projects(module):
    imported = importlib.import_module(f"detectory.compat.{module}")
    assert [name for name in NAMES[module] if not hasattr(imported, name)] == []


def test_builtin_dataset_constants_have_the_expected_sizes():
    names = ["COCO_CATEGORIES", "CITYSCAPES_CATEGORIES", "ADE20K_SEM_SEG_CATEGORIES", "COCO_PERSON_KEYPOINT_NAMES"]
    assert [len(getattr(builtin_meta, name)) for name in names] == [133, 19, 150, 17]
    assert builtin_meta._get_builtin_metadata("coco")["thing_classes"][:2] == ["person", "bicycle"]
    assert len(builtin_meta._get_builtin_metadata("cityscapes")["thing_classes"]) == 8


def test_rejects_an_unknown_dataset_family():
    with pytest.raises(KeyError, match="unknown dataset 'cocoa'"):
        builtin_meta._get_builtin_metadata("cocoa")
    with pytest.raises(AttributeError, match="no attribute 'COCOA'"):
        builtin_meta.COCOA  # noqa: B018


@pytest.mark.parametrize("groups", [1, 2])
def test_deformable_convolution_with_zero_offsets_is_a_convolution(groups):
    x, weight = torch.rand(2, 4, 6, 7), torch.rand(6, 4 // groups, 3, 3)
    offset, ones = torch.zeros(2, 18, 6, 7), torch.ones(2, 9, 6, 7)
    plain = torch.nn.functional.conv2d(x, weight, padding=1, groups=groups)
    torch.testing.assert_close(deform_conv(x, offset, weight, 1, 1, 1, groups), plain)
    torch.testing.assert_close(modulated_deform_conv(x, offset, ones, weight, None, 1, 1, 1, groups), plain)


def test_rejects_groups_that_contradict_the_shapes():
    x, weight = torch.rand(2, 4, 6, 7), torch.rand(6, 2, 3, 3)
    with pytest.raises(ValueError, match=r"deform_conv: weight must have 4 input channels"):
        deform_conv(x, torch.zeros(2, 18, 6, 7), weight, 1, 1)
    with pytest.raises(ValueError, match="offset must have 36 channels for deformable_groups=2, got 18"):
        deform_conv(x, torch.zeros(2, 18, 6, 7), weight, 1, 1, 1, 2, 2)


def test_images_are_rotated_according_to_exif():
    image = Image.new("RGB", (6, 4))
    image.getexif()[274] = 6
    assert detection_utils._apply_exif_orientation(image).size == (4, 6)


def test_lvis_image_counts_cover_every_class():
    counts = lvis_v1_category_image_count.LVIS_CATEGORY_IMAGE_COUNT
    assert (len(counts), counts[0]["id"], set(counts[0])) == (1203, 1, {"id", "image_count"})
    with pytest.raises(AttributeError, match="no attribute 'COUNT'"):
        lvis_v1_category_image_count.COUNT  # noqa: B018


def test_grid_offsets_are_row_major():
    x, y = _create_grid_offsets((2, 3), 4, 0.5, torch.zeros(1))
    assert (x.tolist(), y.tolist()) == ([2, 6, 10, 2, 6, 10], [2, 2, 2, 6, 6, 6])


def test_rejects_fpn_strides_that_do_not_double():
    _assert_strides_are_log2_contiguous([4, 8, 16])
    with pytest.raises(AssertionError, match="got 8 and 32"):
        _assert_strides_are_log2_contiguous([4, 8, 32])


def scene_of_two_squares():
    ground_truth = COCO()
    squares = [{"id": i, "image_id": i, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81} for i in (1, 2)]
    polygon = {"segmentation": [[0, 0, 9, 0, 9, 9, 0, 9]], "iscrowd": 0}
    images = [{"id": i, "height": 20, "width": 20} for i in (1, 2)]
    annotations = [square | polygon for square in squares]
    ground_truth.dataset = {"images": images, "categories": [{"id": 1, "name": "a"}], "annotations": annotations}
    ground_truth.createIndex()
    mask = np.zeros((20, 20), np.uint8, order="F")
    mask[:9, :9] = 1
    detections = {"image_id": 1, "category_id": 1, "score": 0.9, "bbox": [0, 0, 9, 9], "segmentation": encode(mask)}
    return ground_truth, [detections]


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("limits", [None, [1, 10, 50]])
def test_predictions_are_evaluated_with_pycocotools_classes(iou_type, limits):
    ground_truth, detections = scene_of_two_squares()
    only_first = _evaluate_predictions_on_coco(
        ground_truth, detections, iou_type, img_ids=[1], max_dets_per_image=limits
    )
    assert only_first.stats[0] == pytest.approx(1)
    both = _evaluate_predictions_on_coco(ground_truth, detections, iou_type, max_dets_per_image=limits)
    assert both.stats[0] == pytest.approx(51 / 101)
