"""Pascal VOC evaluation: matching, both metrics and annotation files."""

import numpy as np
import pytest
import torch
from voc_datasets import random_voc, slow_outcomes, voc_file

from detectory.evaluation import PascalVOCDetectionEvaluator
from detectory.evaluation.pascal_voc import (
    read_voc_ground_truth,
    voc_average_precision,
    voc_precision_recall,
)
from detectory.structures import Boxes, Instances


@pytest.mark.parametrize("threshold", [0.5, 0.75])
@pytest.mark.parametrize("seed", range(30))
def test_matching_equals_slow_matching_over_sets_of_pixels(seed, threshold):
    ground_truth, detections, rows = random_voc(seed)
    num_objects = sum(int((~t.difficult).sum()) for t in ground_truth.values())
    outcomes = slow_outcomes(ground_truth, rows, threshold)
    tp, fp = np.cumsum([o is True for o in outcomes]), np.cumsum([o is False for o in outcomes])
    recall, precision = voc_precision_recall(ground_truth, detections, threshold)
    if num_objects:
        assert recall == pytest.approx(tp / num_objects)
        assert precision == pytest.approx(tp / np.maximum(tp + fp, 1e-9), abs=1e-6)
    else:
        assert np.isnan(recall).all()


@pytest.mark.parametrize(("is_2007", "expected"), [(True, (6 * 1.0 + 5 * 2 / 3) / 11), (False, 0.5 + 0.5 * 2 / 3)])
def test_average_precision_of_a_small_curve(is_2007, expected):
    recall, precision = np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 2 / 3])
    assert voc_average_precision(recall, precision, is_2007) == pytest.approx(expected)


@pytest.fixture
def voc_folder(tmp_path):
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("one\ntwo\n")
    (tmp_path / "Annotations" / "one.xml").write_text(voc_file([("cat", 0, (1, 1, 10, 10)), ("dog", 1, (5, 5, 9, 9))]))
    (tmp_path / "Annotations" / "two.xml").write_text(voc_file([("dog", 0, (11, 11, 30, 30))]))
    return tmp_path


def outputs_of(boxes, classes, scores):
    instances = Instances((40, 40))
    instances.pred_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
    instances.pred_classes = torch.tensor(classes)
    instances.scores = torch.tensor(scores)
    return [{"instances": instances}]


@pytest.mark.parametrize("year", [2007, 2012])
def test_evaluates_a_registered_dataset(registered, voc_folder, year):
    name = registered(dirname=str(voc_folder), split="val", year=year, thing_classes=["cat", "dog"])
    evaluator = PascalVOCDetectionEvaluator(name)
    evaluator.reset()
    evaluator.process([{"image_id": "one"}], outputs_of([0.0, 0.0, 10.0, 10.0], [0], [0.9]))
    evaluator.process([{"image_id": "two"}], outputs_of([10.0, 10.0, 30.0, 22.0], [1], [0.8]))
    metrics = evaluator.evaluate()["bbox"]
    assert metrics["AP50-cat"] == pytest.approx(100)
    assert metrics["AP50-dog"] == pytest.approx(100)
    assert metrics["AP75"] == pytest.approx(50)


def test_rejects_an_unknown_image(registered, voc_folder):
    name = registered(dirname=str(voc_folder), split="val", year=2012, thing_classes=["cat", "dog"])
    evaluator = PascalVOCDetectionEvaluator(name)
    evaluator.process([{"image_id": "three"}], outputs_of([0.0, 0.0, 10.0, 10.0], [0], [0.9]))
    with pytest.raises(ValueError, match="image 'three' is not one of the 2 images of val"):
        evaluator.evaluate()


def test_reads_real_annotation_files(test_data):
    ground_truth = read_voc_ground_truth(test_data / "voc_bccd", "test", ["RBC", "WBC", "Platelets"])
    assert sum(len(objects.boxes) for objects in ground_truth["RBC"].values()) > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><object>", "two.xml is not valid XML"),
        ("<a><object><name>x</name></object></a>", "two.xml: object 0 lacks"),
    ],
    ids=["not XML", "no box"],
)
def test_rejects_invalid_files_by_name(voc_folder, text, message):
    (voc_folder / "Annotations" / "two.xml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_voc_ground_truth(voc_folder, "val", ["dog"])


def test_rejects_an_unknown_year(registered):
    with pytest.raises(ValueError, match="year must be 2007 or 2012, got 2013"):
        PascalVOCDetectionEvaluator(registered(year=2013))
