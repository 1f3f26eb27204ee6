"""Panoptic quality of files and of models against a slow implementation of the paper."""

import json

import numpy as np
import pytest
import torch
from panoptic_segmentations import CATEGORIES, contiguous, metrics_of, random_pair, save, slow_panoptic_quality

from detectory.evaluation import COCOPanopticEvaluator, panoptic_quality


@pytest.mark.parametrize("seed", range(40))
def test_quality_equals_the_slow_implementation(tmp_path, seed):
    ground_truths, predictions = random_pair(seed)
    ground_truth, ground_truth_folder = save(tmp_path / "a", ground_truths, CATEGORIES)
    predicted, predicted_folder = save(tmp_path / "b", predictions, CATEGORIES)
    metrics = panoptic_quality(ground_truth, predicted, ground_truth_folder, predicted_folder)
    sums = slow_panoptic_quality(ground_truths, predictions)
    for suffix, keep in (("", lambda c: True), ("_th", lambda c: c["isthing"]), ("_st", lambda c: not c["isthing"])):
        measured = [metrics[f"{name}{suffix}"] for name in ("PQ", "SQ", "RQ")]
        assert measured == pytest.approx(metrics_of(sums, keep), abs=1e-9, nan_ok=True)


@pytest.fixture
def panoptic_dataset(registered, tmp_path):
    ground_truths, predictions = random_pair(99)
    path, folder = save(tmp_path / "ground_truth", ground_truths, CATEGORIES)
    metadata = {"thing_dataset_id_to_contiguous_id": {2: 0, 5: 1}, "stuff_dataset_id_to_contiguous_id": {7: 2}}
    name = registered(panoptic_json=str(path), panoptic_root=str(folder), label_divisor=100000, **metadata)
    return name, (path, folder), predictions


@pytest.mark.parametrize("has_segments", [True, False], ids=["segments", "label divisor"])
def test_metrics_of_outputs_equal_those_of_files(panoptic_dataset, tmp_path, has_segments):
    name, ground_truth, predictions = panoptic_dataset
    evaluator = COCOPanopticEvaluator(name, str(tmp_path / "out"))
    evaluator.reset()
    for image, (ids, segments) in enumerate(predictions, start=1):
        info, labels = contiguous(segments), ids
        if not has_segments:
            labels = np.full_like(ids, -1)
            for segment in info:
                labels[ids == segment["id"]] = segment["category_id"] * 100000 + segment["id"]
            info = None
        output = {"panoptic_seg": (torch.from_numpy(labels), info)}
        evaluator.process([{"image_id": image, "file_name": f"{image}.jpg"}], [output])
    expected = panoptic_quality(
        ground_truth[0], save(tmp_path / "b", predictions, CATEGORIES)[0], ground_truth[1], tmp_path / "b" / "png"
    )
    assert evaluator.evaluate()["panoptic_seg"] == pytest.approx(expected)
    assert json.loads((tmp_path / "out" / "predictions.json").read_text())["annotations"][0]["file_name"] == "1.png"


def test_rejects_an_unknown_class(panoptic_dataset):
    evaluator = COCOPanopticEvaluator(panoptic_dataset[0])
    output = {"panoptic_seg": (torch.ones(4, 4).long(), [{"id": 1, "category_id": 9, "isthing": True}])}
    with pytest.raises(ValueError, match="predicted thing class 9"):
        evaluator.process([{"image_id": 1, "file_name": "a.jpg"}], [output])


def test_rejects_ids_beyond_24_bits(panoptic_dataset):
    evaluator = COCOPanopticEvaluator(panoptic_dataset[0])
    ids = torch.full((4, 4), 1 << 24)
    output = {"panoptic_seg": (ids, [{"id": 1 << 24, "category_id": 0, "isthing": True}])}
    with pytest.raises(ValueError, match=r"COCOPanopticEvaluator: a\.jpg: .*2\^24.*16777216"):
        evaluator.process([{"image_id": 1, "file_name": "a.jpg"}], [output])
