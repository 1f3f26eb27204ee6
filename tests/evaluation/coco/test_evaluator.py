"""COCOEvaluator: the same figures for a dataset as for its files, streamed, merged and saved."""

import json
import math

import numpy as np
import pytest
import torch
from coco_datasets import random_set, write
from coco_outputs import CLASSES, CONTIGUOUS, evaluated_with, model_outputs
from pycocotools import mask as mask_api

from detectory.evaluation import (
    COCOEvaluator,
    CocoSettings,
    Detections,
    RunLengths,
    evaluate_coco_results,
    instances_to_coco_json,
)
from detectory.structures import Boxes, Instances


def evaluated(name, inputs, outputs, **kwargs):
    return evaluated_with(COCOEvaluator(name, **kwargs), inputs, outputs)


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_a_models_outputs_give_the_figures_of_its_results_file(registered, tmp_path, iou_type):
    truth, results = random_set(21, iou_type)
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    figures = evaluated(name, *model_outputs(truth, results, iou_type))[iou_type]
    assert figures == pytest.approx(evaluate_coco_results(truth, results, iou_type), nan_ok=True, abs=1e-3)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_the_results_file_evaluates_to_the_same_figures(registered, tmp_path, iou_type):
    truth, results = random_set(22, iou_type)
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    figures = evaluated(name, *model_outputs(truth, results, iou_type), output_dir=str(tmp_path / "out"))
    again = evaluate_coco_results(truth, tmp_path / "out" / "coco_instances_results.json", iou_type)
    assert figures[iou_type] == pytest.approx(again, nan_ok=True)
    saved = torch.load(tmp_path / "out" / "instances_predictions.pth", weights_only=True)
    assert [record["image_id"] for record in saved] == [image["id"] for image in truth["images"]]


def standard_dicts(truth):
    dicts = []
    for image in truth["images"]:
        annotations = []
        for entry in truth["annotations"]:
            if entry["image_id"] == image["id"]:
                x, y, w, h = entry["bbox"]
                change = {"category_id": CONTIGUOUS[entry["category_id"]], "bbox": [x, y, x + w, y + h], "bbox_mode": 0}
                annotations.append({**entry, **change})
        record = {"image_id": f"name {image['id']}", "height": image["height"], "width": image["width"]}
        dicts.append({**record, "annotations": annotations})
    return dicts


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_any_dataset_in_the_standard_format_is_evaluated(registered, iou_type):
    truth, results = random_set(23, iou_type)
    for entry in truth["annotations"]:
        entry["area"] = entry["bbox"][2] * entry["bbox"][3]
        if "segmentation" in entry:
            entry["area"] = float(mask_api.area(entry["segmentation"]))
    name = registered(standard_dicts(truth), **CLASSES)
    inputs, outputs = model_outputs(truth, results, iou_type)
    inputs = [{"image_id": f"name {record['image_id']}"} for record in inputs]
    expected = evaluate_coco_results(truth, results, iou_type)
    assert evaluated(name, inputs, outputs)[iou_type] == pytest.approx(expected, nan_ok=True, abs=1e-3)


def test_the_limit_of_detections_counts_per_image(registered, tmp_path):
    truth, results = random_set(24, most=20)
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    figures = evaluated(name, *model_outputs(truth, results, "bbox"), max_dets_per_image=15)["bbox"]
    assert "AR15" in figures
    assert figures["AR15"] <= evaluate_coco_results(truth, results)["AR100"]


def test_images_that_come_twice_count_once(registered, tmp_path):
    truth, results = random_set(25)
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    inputs, outputs = model_outputs(truth, results, "bbox")
    once, twice = evaluated(name, inputs, outputs), evaluated(name, inputs + inputs[:2], outputs + outputs[:2])
    assert twice["bbox"] == pytest.approx(once["bbox"], nan_ok=True)


def test_no_predictions_are_not_a_number(registered, tmp_path):
    truth, _ = random_set(26)
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    assert math.isnan(evaluated(name, *model_outputs(truth, [], "bbox"))["bbox"]["AP"])
    assert evaluated(name, [], []) == {}


def test_the_files_hold_what_instances_to_coco_json_gives(registered, tmp_path):
    truth, results = random_set(32, "segm")
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    inputs, outputs = model_outputs(truth, results, "segm")
    evaluated(name, inputs, outputs, output_dir=str(tmp_path))
    expected = []
    for record, output in zip(inputs, outputs, strict=True):
        found = instances_to_coco_json(output["instances"], record["image_id"])
        found = [entry | {"category_id": 2 * entry["category_id"] + 1} for entry in found]
        expected.append({"image_id": record["image_id"], "instances": found})
    assert torch.load(tmp_path / "instances_predictions.pth", weights_only=True) == expected
    everything = [entry for image in expected for entry in image["instances"]]
    assert (tmp_path / "coco_instances_results.json").read_text() == json.dumps(everything)


def test_rejects_a_class_that_the_dataset_does_not_have(registered, tmp_path):
    truth, results = random_set(27)
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    inputs, outputs = model_outputs(truth, results, "bbox")
    outputs[0]["instances"].pred_classes += 7
    with pytest.raises(ValueError, match=r"predicted class .*has classes 0 to 2"):
        evaluated(name, inputs, outputs, output_dir=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_dataset_without_metadata_takes_its_classes_from_the_file(registered, tmp_path):
    truth, results = random_set(28)
    inputs, outputs = model_outputs(truth, results, "bbox")
    path = str(write(tmp_path / "truth.json", truth))
    known, bare = registered(json_file=path, **CLASSES), registered(json_file=path)
    expected = evaluated(known, inputs, outputs)["bbox"]
    assert evaluated(bare, inputs, outputs)["bbox"] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("named", [False, True], ids=["a file", "images named by text"])
def test_rejects_an_image_that_the_dataset_does_not_have(registered, tmp_path, named):
    truth, results = random_set(27)
    inputs, outputs = model_outputs(truth, results, "bbox")
    file = {} if named else {"json_file": str(write(tmp_path / "truth.json", truth))}
    name = registered(standard_dicts(truth), **CLASSES, **file)
    inputs = [{"image_id": f"name {record['image_id']}"} for record in inputs] if named else inputs
    inputs[1]["image_id"] = "other" if named else 99
    with pytest.raises(ValueError, match=r"image ('other'|99) is none of the 6 of"):
        evaluated(name, inputs, outputs, output_dir=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_images_without_detections_are_written_and_read_again(registered, tmp_path, iou_type):
    truth, results = random_set(5, iou_type)
    results = [entry for entry in results if entry["image_id"] != 2]
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    figures = evaluated(name, *model_outputs(truth, results, iou_type), output_dir=str(tmp_path))[iou_type]
    again = evaluate_coco_results(truth, tmp_path / "coco_instances_results.json", iou_type)
    assert figures == pytest.approx(again, nan_ok=True)
    assert torch.load(tmp_path / "instances_predictions.pth", weights_only=True)[1]["instances"] == []


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_an_empty_results_file_finds_nothing(tmp_path, iou_type):
    truth, _ = random_set(5, iou_type)
    assert evaluate_coco_results(truth, write(tmp_path / "results.json", []), iou_type)["AP"] == 0


def test_rejects_an_unknown_task(registered):
    with pytest.raises(ValueError, match=r"unknown task 'bboxes'.*bbox"):
        COCOEvaluator(registered(), tasks=("bboxes",))


def test_a_prediction_in_cocos_format_has_its_corner_and_its_pixel_centres():
    found = Instances((10, 10))
    found.scores, found.pred_classes = torch.tensor([0.5]), torch.tensor([2])
    found.pred_boxes, found.pred_keypoints = Boxes(torch.tensor([[1.0, 2, 4, 8]])), torch.tensor([[[3.5, 4.5, 0.9]]])
    found.pred_masks = torch.ones(1, 10, 10, dtype=torch.bool)
    (entry,) = instances_to_coco_json(found, 7)
    assert (entry["image_id"], entry["category_id"], entry["bbox"]) == (7, 2, [1, 2, 3, 6])
    assert entry["keypoints"] == pytest.approx([3, 4, 0.9])
    assert mask_api.decode(json.loads(json.dumps(entry["segmentation"]))).all()


def test_compact_detections_join_and_keep_what_all_have():
    one = Detections(
        np.array([1]),
        np.array([0]),
        np.array([0.5]),
        np.zeros((1, 4)),
        RunLengths.of([{"size": [1, 1], "counts": "1"}]),
    )
    two = Detections(np.array([2]), np.array([1]), np.array([0.4]), np.ones((1, 4)))
    both = Detections.concatenate([one, two, Detections.concatenate([])])
    assert both.image_ids.tolist() == [1, 2]
    assert both.masks is None
    assert both.boxes.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


def test_sigmas_limits_thresholds_and_areas_are_those_given(registered, tmp_path):
    truth, results = random_set(28, "keypoints")
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    sigmas = np.linspace(0.02, 0.2, 17).tolist()
    areas = {"all": (0.0, 1e10), "tiny": (0.0, 500.0)}
    settings = CocoSettings([0.4, 0.5, 0.75], areas, (1, 4), sigmas)
    expected = evaluate_coco_results(truth, results, "keypoints", settings)
    options = {
        "kpt_oks_sigmas": sigmas,
        "max_dets_per_image": (1, 4),
        "settings": CocoSettings([0.4, 0.5, 0.75], areas),
    }
    found = evaluated(name, *model_outputs(truth, results, "keypoints"), tasks=("keypoints",), **options)["keypoints"]
    assert found == pytest.approx(expected, nan_ok=True, abs=1e-3)
    assert {"APt", "AR4"} <= set(found)
    assert found["AP"] != pytest.approx(evaluate_coco_results(truth, results, "keypoints")["AP"])


def test_rejects_sigmas_of_another_number_of_keypoints(registered, tmp_path):
    truth, results = random_set(29, "keypoints")
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    with pytest.raises(ValueError, match="got 3 sigmas for 17 keypoints"):
        evaluated(name, *model_outputs(truth, results, "keypoints"), kpt_oks_sigmas=(0.1, 0.1, 0.1))


def test_figures_of_chosen_images_are_those_of_a_smaller_dataset(registered, tmp_path):
    truth, results = random_set(30)
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    evaluator = COCOEvaluator(name)
    for record, output in zip(*model_outputs(truth, results, "bbox"), strict=True):
        evaluator.process([record], [output])
    part = {**truth, "images": truth["images"][:2]}
    part["annotations"] = [a for a in truth["annotations"] if a["image_id"] < 3]
    expected = evaluate_coco_results(part, [r for r in results if r["image_id"] < 3])
    assert evaluator.evaluate(img_ids=[1, 2])["bbox"] == pytest.approx(expected, nan_ok=True, abs=1e-3)


def test_rejects_detections_with_other_keypoints_than_the_annotations():
    truth, results = random_set(31, "keypoints")
    truth["annotations"][3]["keypoints"] = truth["annotations"][3]["keypoints"][:9]
    with pytest.raises(ValueError, match=r"annotation 4 has 3 keypoints, the detections have 17"):
        evaluate_coco_results(truth, results, "keypoints")
