"""Semantic segmentation: counts of pixels and of boundaries, pixel by pixel."""

import json
import math

import numpy as np
import pytest
import torch
from label_maps import random_labels, slow_boundary
from PIL import Image
from pycocotools import mask as mask_api

from detectory.evaluation import SemSegEvaluator
from detectory.evaluation.semantic_segmentation import boundary_counts, confusion_counts, segmentation_figures


@pytest.mark.parametrize("ratio", [0.02, 0.1])
@pytest.mark.parametrize("seed", range(4))
def test_boundaries_equal_those_found_window_by_window(seed, ratio):
    found, truth = random_labels(seed), random_labels(seed + 50, none=True)
    near_found, near_truth = slow_boundary(found, ratio), slow_boundary(truth, ratio)
    for label, (shared, either) in enumerate(boundary_counts(found, truth, 3, ratio).T.tolist()):
        a, b = (found == label) & near_found & (truth < 3), (truth == label) & near_truth
        assert (shared, either) == ((a & b).sum(), (a | b).sum())


def test_figures_of_a_case_counted_by_hand():
    truth = np.array([[0, 0, 0, 1], [1, 1, 3, 3]])
    found = np.array([[0, 0, 1, 1], [1, 0, 0, 2]])
    figures = segmentation_figures(confusion_counts(found, truth, 3), np.zeros((2, 3)), ["a", "b", "c"])
    assert figures["IoU-a"] == pytest.approx(100 * 2 / 4)
    assert figures["IoU-b"] == pytest.approx(100 * 2 / 4)
    assert math.isnan(figures["IoU-c"])
    assert figures["mIoU"] == pytest.approx(50)
    assert figures["fwIoU"] == pytest.approx(50)
    assert figures["pACC"] == pytest.approx(100 * 4 / 6)
    assert figures["mACC"] == pytest.approx(100 * 2 / 3)


@pytest.fixture
def pictures(registered, tmp_path):
    """A dataset of three label files and its name."""
    dicts, truths = [], []
    for index in range(3):
        truths.append(random_labels(index, none=True))
        saved = np.where(truths[-1] == 3, 255, truths[-1]).astype(np.uint8)
        Image.fromarray(saved).save(tmp_path / f"{index}.png")
        dicts.append({"file_name": f"{index}.jpg", "sem_seg_file_name": str(tmp_path / f"{index}.png")})
    classes = {"stuff_classes": ["a", "b", "c"], "stuff_dataset_id_to_contiguous_id": {4: 0, 5: 1, 6: 2}}
    return registered(dicts, ignore_label=255, **classes), dicts, truths


@pytest.mark.parametrize("scores", [True, False], ids=["scores", "labels"])
def test_a_models_outputs_are_counted(pictures, tmp_path, scores):
    name, dicts, truths = pictures
    evaluator = SemSegEvaluator(name, output_dir=str(tmp_path / "out"))
    found = [random_labels(index + 9) for index in range(3)]
    for record, labels in zip(dicts, found, strict=True):
        output = torch.from_numpy(labels)
        if scores:
            output = torch.nn.functional.one_hot(output, 3).permute(2, 0, 1).float()
        evaluator.process([record], [{"sem_seg": output}])
    figures = evaluator.evaluate()["sem_seg"]
    known = np.concatenate([t.ravel() for t in truths]) < 3
    right = np.concatenate([t.ravel() for t in truths]) == np.concatenate([f.ravel() for f in found])
    assert figures["pACC"] == pytest.approx(100 * right[known].mean())
    entries = json.loads((tmp_path / "out" / "sem_seg_predictions.json").read_text())
    assert {e["category_id"] for e in entries} <= {4, 5, 6}
    decoded = mask_api.decode([e["segmentation"] for e in entries if e["file_name"] == "0.jpg"])
    assert (decoded.sum(axis=2) == 1).all()


def test_perfect_predictions_are_a_hundred(pictures):
    name, dicts, truths = pictures
    evaluator = SemSegEvaluator(name)
    for record, truth in zip(dicts, truths, strict=True):
        evaluator.process([record], [torch.from_numpy(truth)])
    figures = evaluator.evaluate()["sem_seg"]
    assert {figures[n] for n in ("mIoU", "fwIoU", "mACC", "pACC", "mBoundaryIoU")} == {100.0}


def test_rejects_a_prediction_of_another_size(pictures):
    name, dicts, _ = pictures
    with pytest.raises(ValueError, match=r"0.jpg: predicted \(4, 4\), the ground truth is \(30, 48\)"):
        SemSegEvaluator(name).process(dicts[:1], [torch.zeros(4, 4, dtype=torch.long)])


def test_rejects_an_image_that_the_dataset_does_not_have(pictures):
    name, _, _ = pictures
    evaluator = SemSegEvaluator(name)
    with pytest.raises(ValueError, match=r"other\.jpg is none of the \d+ images of"):
        evaluator.process([{"file_name": "other.jpg"}], [{"sem_seg": torch.zeros(4, 4)}])
