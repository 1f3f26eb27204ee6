"""Semantic segmentation metrics against slow counts."""

import json
import math

import numpy as np
import pytest
import torch
from label_maps import random_labels, slow_boundary
from PIL import Image
from pycocotools import mask as mask_api

from detectory.evaluation import SemSegEvaluator
from detectory.evaluation.semantic_segmentation import boundary_counts, pixel_confusion, segmentation_metrics


@pytest.mark.parametrize("ratio", [0.02, 0.1])
@pytest.mark.parametrize("seed", range(4))
def test_boundary_counts_equal_the_slow_search(seed, ratio):
    predicted, ground_truth = random_labels(seed), random_labels(seed + 50, none=True)
    near_predicted, near_true = slow_boundary(predicted, ratio), slow_boundary(ground_truth, ratio)
    for label, (intersection, union) in enumerate(boundary_counts(predicted, ground_truth, 3, ratio).T.tolist()):
        a, b = (predicted == label) & near_predicted & (ground_truth < 3), (ground_truth == label) & near_true
        assert (intersection, union) == ((a & b).sum(), (a | b).sum())


def test_metrics_of_a_small_example():
    ground_truth = np.array([[0, 0, 0, 1], [1, 1, 3, 3]])
    predicted = np.array([[0, 0, 1, 1], [1, 0, 0, 2]])
    metrics = segmentation_metrics(pixel_confusion(predicted, ground_truth, 3), np.zeros((2, 3)), ["a", "b", "c"])
    assert metrics["IoU-a"] == pytest.approx(100 * 2 / 4)
    assert metrics["IoU-b"] == pytest.approx(100 * 2 / 4)
    assert math.isnan(metrics["IoU-c"])
    assert metrics["mIoU"] == pytest.approx(50)
    assert metrics["fwIoU"] == pytest.approx(50)
    assert metrics["pACC"] == pytest.approx(100 * 4 / 6)
    assert metrics["mACC"] == pytest.approx(100 * 2 / 3)


@pytest.fixture
def dataset(registered, tmp_path):
    """Name, records and labels of a dataset of three images."""
    records, ground_truths = [], []
    for index in range(3):
        ground_truths.append(random_labels(index, none=True))
        saved = np.where(ground_truths[-1] == 3, 255, ground_truths[-1]).astype(np.uint8)
        Image.fromarray(saved).save(tmp_path / f"{index}.png")
        records.append({"file_name": f"{index}.jpg", "sem_seg_file_name": str(tmp_path / f"{index}.png")})
    classes = {"stuff_classes": ["a", "b", "c"], "stuff_dataset_id_to_contiguous_id": {4: 0, 5: 1, 6: 2}}
    return registered(records, ignore_label=255, **classes), records, ground_truths


@pytest.mark.parametrize("as_scores", [True, False], ids=["scores", "labels"])
def test_evaluates_scores_and_labels(dataset, tmp_path, as_scores):
    name, records, ground_truths = dataset
    evaluator = SemSegEvaluator(name, output_dir=str(tmp_path / "out"))
    predicted = [random_labels(index + 9) for index in range(3)]
    for record, labels in zip(records, predicted, strict=True):
        output = torch.from_numpy(labels)
        if as_scores:
            output = torch.nn.functional.one_hot(output, 3).permute(2, 0, 1).float()
        evaluator.process([record], [{"sem_seg": output}])
    metrics = evaluator.evaluate()["sem_seg"]
    is_labelled = np.concatenate([t.ravel() for t in ground_truths]) < 3
    is_correct = np.concatenate([t.ravel() for t in ground_truths]) == np.concatenate([f.ravel() for f in predicted])
    assert metrics["pACC"] == pytest.approx(100 * is_correct[is_labelled].mean())
    entries = json.loads((tmp_path / "out" / "sem_seg_predictions.json").read_text())
    assert {e["category_id"] for e in entries} <= {4, 5, 6}
    decoded = mask_api.decode([e["segmentation"] for e in entries if e["file_name"] == "0.jpg"])
    assert (decoded.sum(axis=2) == 1).all()


def test_metrics_of_perfect_predictions_are_100(dataset):
    name, records, ground_truths = dataset
    evaluator = SemSegEvaluator(name)
    for record, ground_truth in zip(records, ground_truths, strict=True):
        evaluator.process([record], [torch.from_numpy(ground_truth)])
    metrics = evaluator.evaluate()["sem_seg"]
    assert {metrics[n] for n in ("mIoU", "fwIoU", "mACC", "pACC", "mBoundaryIoU")} == {100.0}


def test_rejects_a_prediction_of_the_wrong_size(dataset):
    name, records, _ = dataset
    with pytest.raises(ValueError, match=r"0.jpg: the prediction has size \(4, 4\), its ground truth \(30, 48\)"):
        SemSegEvaluator(name).process(records[:1], [torch.zeros(4, 4, dtype=torch.long)])


def test_rejects_an_unknown_image(dataset):
    name, _, _ = dataset
    evaluator = SemSegEvaluator(name)
    with pytest.raises(ValueError, match=r"other\.jpg is not one of the \d+ images of"):
        evaluator.process([{"file_name": "other.jpg"}], [{"sem_seg": torch.zeros(4, 4)}])
