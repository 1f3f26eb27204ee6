"""Cityscapes evaluators."""

import numpy as np
import pytest
import torch
from cityscapes_checks import CLASSES, check_instances, check_labels, evaluated, outputs_of
from cityscapes_scenes import write_scenes

from detectory.evaluation import CityscapesInstanceEvaluator, CityscapesSemSegEvaluator
from detectory.evaluation.cityscapes.labels import label_ids


@pytest.mark.parametrize("seed", range(6))
def test_instance_metrics_equal_the_official_script(tmp_path, registered, seed):
    check_instances(tmp_path, registered, seed)


@pytest.mark.parametrize("seed", range(6))
def test_label_metrics_equal_the_official_script(tmp_path, registered, seed):
    check_labels(tmp_path, registered, seed)


def test_image_evaluated_twice_counts_once(tmp_path, registered):
    ground_truth, names, scenes = write_scenes(tmp_path, 30)
    evaluator = CityscapesInstanceEvaluator(registered(gt_dir=str(ground_truth), **CLASSES))
    outputs = [outputs_of(*scene) for scene in scenes]
    once, twice = evaluated(evaluator, names, outputs), evaluated(evaluator, names * 2, outputs * 2)
    np.testing.assert_equal(once, twice)


def test_accepts_rle_masks(tmp_path, registered):
    from detectory import ops

    ground_truth, names, scenes = write_scenes(tmp_path, 31)
    evaluator = CityscapesInstanceEvaluator(registered(gt_dir=str(ground_truth), **CLASSES))
    outputs = [outputs_of(*scene) for scene in scenes]
    expected = evaluated(evaluator, names, outputs)
    for output in outputs:
        instances = output["instances"]
        instances.pred_masks_rle = [ops.rle_encode(mask) for mask in instances.pred_masks]
        instances.remove("pred_masks")
    np.testing.assert_equal(evaluated(evaluator, names, outputs), expected)


def test_rejects_images_without_a_prediction(tmp_path, registered):
    ground_truth, names, scenes = write_scenes(tmp_path, 32)
    evaluator = CityscapesInstanceEvaluator(registered(gt_dir=str(ground_truth), **CLASSES))
    with pytest.raises(ValueError, match=r"1 of 4 images have no prediction, the first is aachen_000003"):
        evaluated(evaluator, names[:3], [outputs_of(*scene) for scene in scenes[:3]])


def test_rejects_images_without_ground_truth(tmp_path, registered):
    ground_truth, _, scenes = write_scenes(tmp_path, 33)
    evaluator = CityscapesInstanceEvaluator(registered(gt_dir=str(ground_truth), **CLASSES))
    with pytest.raises(ValueError, match=r"bonn_1_2_leftImg8bit.png has no bonn_1_2_gtFine_instanceIds.png in"):
        evaluated(evaluator, ["bonn_1_2_leftImg8bit.png"], [outputs_of(*scenes[0])])


def test_rejects_predictions_of_another_size(tmp_path, registered):
    ground_truth, names, _ = write_scenes(tmp_path, 34)
    evaluator = CityscapesSemSegEvaluator(registered(gt_dir=str(ground_truth), **CLASSES))
    with pytest.raises(ValueError, match=r"aachen_000000_000019: the prediction has size \(5, 5\), its ground truth"):
        evaluated(evaluator, names[:1], [{"sem_seg": torch.zeros(5, 5)}])


def test_rejects_unknown_class_names():
    with pytest.raises(ValueError, match="'cat' is not a class of Cityscapes: road"):
        label_ids(["road", "cat"])
