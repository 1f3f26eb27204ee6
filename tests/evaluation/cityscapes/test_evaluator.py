"""Cityscapes' figures equal those of the official scripts."""

import numpy as np
import pytest
import torch
from cityscapes_checks import CLASSES, check_instances, check_labels, evaluated, instances
from cityscapes_scenes import write_scenes

from detectory.evaluation import CityscapesInstanceEvaluator, CityscapesSemSegEvaluator
from detectory.evaluation.cityscapes.labels import label_ids


@pytest.mark.parametrize("seed", range(6))
def test_instance_figures_equal_those_of_the_official_script(tmp_path, registered, seed):
    check_instances(tmp_path, registered, seed)


@pytest.mark.parametrize("seed", range(6))
def test_label_figures_equal_those_of_the_official_script(tmp_path, registered, seed):
    check_labels(tmp_path, registered, seed)


def test_images_that_come_twice_count_once(tmp_path, registered):
    truth, photos, scenes = write_scenes(tmp_path, 30)
    evaluator = CityscapesInstanceEvaluator(registered(gt_dir=str(truth), **CLASSES))
    outputs = [instances(*scene) for scene in scenes]
    once, twice = evaluated(evaluator, photos, outputs), evaluated(evaluator, photos * 2, outputs * 2)
    np.testing.assert_equal(once, twice)


def test_masks_may_come_as_run_lengths(tmp_path, registered):
    from detectory import ops

    truth, photos, scenes = write_scenes(tmp_path, 31)
    evaluator = CityscapesInstanceEvaluator(registered(gt_dir=str(truth), **CLASSES))
    outputs = [instances(*scene) for scene in scenes]
    expected = evaluated(evaluator, photos, outputs)
    for output in outputs:
        found = output["instances"]
        found.pred_masks_rle = [ops.rle_encode(mask) for mask in found.pred_masks]
        found.remove("pred_masks")
    np.testing.assert_equal(evaluated(evaluator, photos, outputs), expected)


def test_rejects_what_was_not_predicted(tmp_path, registered):
    truth, photos, scenes = write_scenes(tmp_path, 32)
    evaluator = CityscapesInstanceEvaluator(registered(gt_dir=str(truth), **CLASSES))
    with pytest.raises(ValueError, match=r"1 of 4 images were not predicted, the first aachen_000003"):
        evaluated(evaluator, photos[:3], [instances(*scene) for scene in scenes[:3]])


def test_rejects_photos_without_ground_truth(tmp_path, registered):
    truth, _, scenes = write_scenes(tmp_path, 33)
    evaluator = CityscapesInstanceEvaluator(registered(gt_dir=str(truth), **CLASSES))
    with pytest.raises(ValueError, match=r"bonn_1_2_leftImg8bit.png has no bonn_1_2_gtFine_instanceIds.png in"):
        evaluated(evaluator, ["bonn_1_2_leftImg8bit.png"], [instances(*scenes[0])])


def test_rejects_predictions_of_another_size(tmp_path, registered):
    truth, photos, _ = write_scenes(tmp_path, 34)
    evaluator = CityscapesSemSegEvaluator(registered(gt_dir=str(truth), **CLASSES))
    with pytest.raises(ValueError, match=r"aachen_000000_000019: predicted \(5, 5\), the ground truth is"):
        evaluated(evaluator, photos[:1], [{"sem_seg": torch.zeros(5, 5)}])


def test_rejects_classes_that_cityscapes_does_not_have():
    with pytest.raises(ValueError, match="'cat' is none of Cityscapes' classes: road"):
        label_ids(["road", "cat"])
