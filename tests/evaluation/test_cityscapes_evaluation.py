"""Cityscapes' figures equal those of the official scripts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cityscapes_sets import NAMES, THINGS, official_instances, official_labels, random_labels, write_scenes

from detectory.evaluation import CityscapesInstanceEvaluator, CityscapesSemSegEvaluator
from detectory.evaluation.cityscapes_labels import label_ids
from detectory.structures import Instances

CLASSES = {"thing_classes": list(THINGS.values()), "stuff_classes": NAMES}


def instances(ids, masks):
    found = Instances(ids.shape)
    found.pred_masks = torch.from_numpy(np.array([m for m, _, _ in masks]).reshape(-1, *ids.shape).astype(bool))
    found.pred_classes = torch.tensor([list(THINGS).index(label) for _, label, _ in masks], dtype=torch.int64)
    found.scores = torch.tensor([score for _, _, score in masks], dtype=torch.float64)
    return {"instances": found}


def evaluated(evaluator, photos, outputs):
    evaluator.reset()
    evaluator.process([{"file_name": photo} for photo in photos], outputs)
    return evaluator.evaluate()


def check_instances(folder, name_of, seed):
    """Compare all figures of one random set with those of the official script."""
    truth, photos, scenes = write_scenes(folder, seed)
    evaluator = CityscapesInstanceEvaluator(name_of(gt_dir=str(truth), **CLASSES))
    figures = evaluated(evaluator, photos, [instances(*scene) for scene in scenes])["segm"]
    official = official_instances(folder, truth, scenes)
    expected = {"AP": official["allAp"], "AP50": official["allAp50%"]}
    expected |= {f"AP-{name}": figure["ap"] for name, figure in official["classes"].items()}
    expected |= {f"AP50-{name}": figure["ap50%"] for name, figure in official["classes"].items()}
    np.testing.assert_array_equal([figures[key] for key in expected], [100 * v for v in expected.values()])


def check_labels(folder, name_of, seed):
    """Compare all figures of one random set with those of the official script."""
    truth, photos, scenes = write_scenes(folder, seed)
    rng = np.random.default_rng(seed)
    found = [random_labels(rng, ids) for ids, _ in scenes]
    positions = np.zeros(34, np.int64)
    positions[label_ids(NAMES)] = np.arange(19)
    evaluator = CityscapesSemSegEvaluator(name_of(gt_dir=str(truth), **CLASSES))
    outputs = [{"sem_seg": torch.from_numpy(positions[labels])} for labels in found]
    figures = evaluated(evaluator, photos, outputs)["sem_seg"]
    official = official_labels(folder, truth, found)
    averages = {"IoU": "Classes", "iIoU": "InstClasses", "IoU_sup": "Categories", "iIoU_sup": "InstCategories"}
    expected = {key: official[f"averageScore{name}"] for key, name in averages.items()}
    expected |= {f"IoU-{name}": official["classScores"][name] for name in NAMES}
    expected |= {f"iIoU-{name}": official["classInstScores"][name] for name in THINGS.values()}
    np.testing.assert_array_equal([figures[key] for key in expected], [100 * v for v in expected.values()])


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
