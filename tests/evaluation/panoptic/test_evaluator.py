"""Panoptic quality equals a slow reading of the paper, crowds and unlabelled pixels included."""

import json

import numpy as np
import pytest
import torch
from panoptic_segmentations import CATEGORIES, contiguous, figures_of, random_pair, save, slow_panoptic_quality

from detectory.evaluation import COCOPanopticEvaluator, panoptic_quality


@pytest.mark.parametrize("seed", range(40))
def test_quality_equals_a_slow_reading_of_the_paper(tmp_path, seed):
    truths, predictions = random_pair(seed)
    truth, found = save(tmp_path / "a", truths, CATEGORIES), save(tmp_path / "b", predictions, CATEGORIES)
    figures = panoptic_quality(truth[0], found[0], truth[1], found[1])
    sums = slow_panoptic_quality(truths, predictions)
    for suffix, keep in (("", lambda c: True), ("_th", lambda c: c["isthing"]), ("_st", lambda c: not c["isthing"])):
        measured = [figures[f"{name}{suffix}"] for name in ("PQ", "SQ", "RQ")]
        assert measured == pytest.approx(figures_of(sums, keep), abs=1e-9, nan_ok=True)


@pytest.fixture
def panoptic_dataset(registered, tmp_path):
    truths, predictions = random_pair(99)
    path, folder = save(tmp_path / "truth", truths, CATEGORIES)
    metadata = {"thing_dataset_id_to_contiguous_id": {2: 0, 5: 1}, "stuff_dataset_id_to_contiguous_id": {7: 2}}
    name = registered(panoptic_json=str(path), panoptic_root=str(folder), label_divisor=100000, **metadata)
    return name, (path, folder), predictions


@pytest.mark.parametrize("described", [True, False], ids=["segments", "label divisor"])
def test_a_models_outputs_give_the_figures_of_their_files(panoptic_dataset, tmp_path, described):
    name, truth, predictions = panoptic_dataset
    evaluator = COCOPanopticEvaluator(name, str(tmp_path / "out"))
    evaluator.reset()
    for image, (ids, segments) in enumerate(predictions, start=1):
        info, labels = contiguous(segments), ids
        if not described:
            labels = np.full_like(ids, -1)
            for segment in info:
                labels[ids == segment["id"]] = segment["category_id"] * 100000 + segment["id"]
            info = None
        output = {"panoptic_seg": (torch.from_numpy(labels), info)}
        evaluator.process([{"image_id": image, "file_name": f"{image}.jpg"}], [output])
    expected = panoptic_quality(
        truth[0], save(tmp_path / "b", predictions, CATEGORIES)[0], truth[1], tmp_path / "b" / "png"
    )
    assert evaluator.evaluate()["panoptic_seg"] == pytest.approx(expected)
    assert json.loads((tmp_path / "out" / "predictions.json").read_text())["annotations"][0]["file_name"] == "1.png"


def test_rejects_a_class_that_the_dataset_does_not_have(panoptic_dataset):
    evaluator = COCOPanopticEvaluator(panoptic_dataset[0])
    output = {"panoptic_seg": (torch.ones(4, 4).long(), [{"id": 1, "category_id": 9, "isthing": True}])}
    with pytest.raises(ValueError, match="predicted thing class 9"):
        evaluator.process([{"image_id": 1, "file_name": "a.jpg"}], [output])
