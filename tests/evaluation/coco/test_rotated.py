"""RotatedCOCOEvaluator: COCO's figures with the overlap of rotated boxes."""

import numpy as np
import pytest
import torch
from coco_datasets import write
from coco_outputs import CLASSES, evaluated_with
from rotated_datasets import detections, random_rotated_set, reference

from detectory.evaluation import CocoGroundTruth, RotatedCOCOEvaluator
from detectory.evaluation.coco.rotated import rotated_coco_metrics
from detectory.structures import Instances, RotatedBoxes


@pytest.mark.parametrize("seed", range(8))
def test_figures_equal_those_of_pycocotools_with_rotated_overlaps(seed):
    truth, results = random_rotated_set(seed)
    assert rotated_coco_metrics(CocoGroundTruth(truth), detections(results)).stats() == reference(truth, results)


def test_turning_everything_changes_nothing():
    truth, results = random_rotated_set(9)
    before = rotated_coco_metrics(CocoGroundTruth(truth), detections(results)).stats()
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    for entry in truth["annotations"] + results:
        x, y, w, h, angle = entry["bbox"]
        entry["bbox"] = [c * x + s * y, -s * x + c * y, w, h, angle + 30]
    after = rotated_coco_metrics(CocoGroundTruth(truth), detections(results)).stats()
    assert after == pytest.approx(before, abs=1e-9)


def test_overlap_with_a_crowd_is_over_the_detections_own_area():
    image = {"id": 1, "height": 99, "width": 99}
    crowd = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [50, 50, 80, 80, 45], "area": 6400, "iscrowd": 1}
    one = {"id": 2, "image_id": 1, "category_id": 1, "bbox": [10, 10, 8, 8, 0], "area": 64, "iscrowd": 0}
    truth = {"images": [image], "categories": [{"id": 1, "name": "a"}], "annotations": [crowd, one]}
    results = [
        {"image_id": 1, "category_id": 1, "score": s, "bbox": [*crowd["bbox"][:2], 9, 9, 20]} for s in (0.9, 0.8)
    ]
    results.append({"image_id": 1, "category_id": 1, "score": 0.7, "bbox": one["bbox"]})
    assert rotated_coco_metrics(CocoGroundTruth(truth), detections(results)).average_precision() == pytest.approx(1)


def outputs_of(truth, results, upright=False):
    outputs = []
    for image in truth["images"]:
        mine = [r for r in results if r["image_id"] == image["id"]]
        found = Instances((image["height"], image["width"]))
        found.scores = torch.tensor([r["score"] for r in mine], dtype=torch.float64)
        found.pred_classes = torch.tensor([r["category_id"] // 2 for r in mine], dtype=torch.int64)
        found.pred_boxes = RotatedBoxes(torch.tensor([r["bbox"] for r in mine]).reshape(-1, 5))
        outputs.append({"instances": found})
    return [{"image_id": image["id"]} for image in truth["images"]], outputs


def test_a_models_outputs_give_the_figures_of_its_boxes(registered, tmp_path):
    truth, results = random_rotated_set(10)
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    figures = evaluated_with(RotatedCOCOEvaluator(name), *outputs_of(truth, results))["bbox"]
    expected = rotated_coco_metrics(CocoGroundTruth(truth), detections(results)).summary()
    assert {key: figures[key] for key in expected} == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_results_hold_five_numbers_a_box(registered):
    found = Instances((10, 10))
    found.scores, found.pred_classes = torch.tensor([0.5]), torch.tensor([2])
    found.pred_boxes = RotatedBoxes(torch.tensor([[5.0, 5, 4, 2, 30]]))
    (entry,) = RotatedCOCOEvaluator(registered()).instances_to_json(found, 3)
    assert entry == {"image_id": 3, "category_id": 2, "score": 0.5, "bbox": [5, 5, 4, 2, 30]}


def test_rejects_other_tasks_than_boxes(registered):
    with pytest.raises(ValueError, match=r"tasks must be \('bbox',\), got \('segm',\)"):
        RotatedCOCOEvaluator(registered(), tasks=("segm",))
