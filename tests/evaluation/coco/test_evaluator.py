"""COCOEvaluator against the evaluation of files."""

import json
import math

import numpy as np
import pytest
import torch
from coco_datasets import random_dataset, write_json
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
from detectory.structures import Boxes, BoxMode, Instances


def evaluated(name, inputs, outputs, **kwargs):
    return evaluated_with(COCOEvaluator(name, **kwargs), inputs, outputs)


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_metrics_of_outputs_equal_those_of_results(registered_coco, iou_type):
    ground_truth, results = random_dataset(21, iou_type)
    name = registered_coco(ground_truth)
    metrics = evaluated(name, *model_outputs(ground_truth, results, iou_type))[iou_type]
    assert metrics == pytest.approx(evaluate_coco_results(ground_truth, results, iou_type), nan_ok=True, abs=1e-3)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_written_results_have_the_same_metrics(registered_coco, tmp_path, iou_type):
    ground_truth, results = random_dataset(22, iou_type)
    name = registered_coco(ground_truth)
    metrics = evaluated(name, *model_outputs(ground_truth, results, iou_type), output_dir=str(tmp_path / "out"))
    again = evaluate_coco_results(ground_truth, tmp_path / "out" / "coco_instances_results.json", iou_type)
    assert metrics[iou_type] == pytest.approx(again, nan_ok=True)
    saved = torch.load(tmp_path / "out" / "instances_predictions.pth", weights_only=True)
    assert [record["image_id"] for record in saved] == [image["id"] for image in ground_truth["images"]]


def dataset_records(ground_truth):
    records = []
    for image in ground_truth["images"]:
        annotations = []
        for entry in ground_truth["annotations"]:
            if entry["image_id"] == image["id"]:
                x, y, w, h = entry["bbox"]
                box = {"bbox": [x, y, x + w, y + h], "bbox_mode": 0}
                annotations.append({**entry, **box, "category_id": CONTIGUOUS[entry["category_id"]]})
        record = {"image_id": f"name {image['id']}", "height": image["height"], "width": image["width"]}
        records.append({**record, "annotations": annotations})
    return records


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_evaluates_datasets_without_a_coco_file(registered, iou_type):
    ground_truth, results = random_dataset(23, iou_type)
    for entry in ground_truth["annotations"]:
        entry["area"] = entry["bbox"][2] * entry["bbox"][3]
        if "segmentation" in entry:
            entry["area"] = float(mask_api.area(entry["segmentation"]))
    name = registered(dataset_records(ground_truth), **CLASSES)
    inputs, outputs = model_outputs(ground_truth, results, iou_type)
    inputs = [{"image_id": f"name {record['image_id']}"} for record in inputs]
    expected = evaluate_coco_results(ground_truth, results, iou_type)
    assert evaluated(name, inputs, outputs)[iou_type] == pytest.approx(expected, nan_ok=True, abs=1e-3)


def test_relative_boxes_are_converted_to_pixels(registered):
    box = {"bbox": [0.1, 0.2, 0.5, 0.6], "bbox_mode": BoxMode.XYXY_REL, "category_id": 0}
    record = {"image_id": 1, "height": 50, "width": 100, "annotations": [box]}
    instances = Instances((50, 100), scores=torch.tensor([0.9]), pred_classes=torch.tensor([0]))
    instances.pred_boxes = Boxes(torch.tensor([[10.0, 10, 50, 30]]))
    name = registered([record], thing_classes=["cat"])
    assert evaluated(name, [record], [{"instances": instances}])["bbox"]["AP"] == pytest.approx(100)


def test_max_dets_per_image_is_the_highest_limit(registered_coco):
    ground_truth, results = random_dataset(24, max_objects=20)
    name = registered_coco(ground_truth)
    metrics = evaluated(name, *model_outputs(ground_truth, results, "bbox"), max_dets_per_image=15)["bbox"]
    assert "AR15" in metrics
    assert metrics["AR15"] <= evaluate_coco_results(ground_truth, results)["AR100"]


def test_warns_about_masks_that_only_some_images_have(registered_coco, caplog):
    ground_truth, results = random_dataset(39, "segm")
    name = registered_coco(ground_truth)
    inputs, outputs = model_outputs(ground_truth, results, "segm")
    with_detections = [output for output in outputs if len(output["instances"])]
    with_detections[1]["instances"].remove("pred_masks")
    assert list(evaluated(name, inputs, outputs)) == ["bbox"]
    assert f"task segm is not evaluated: masks are missing for 1 of {len(with_detections)} images" in caplog.text


def test_image_evaluated_twice_counts_once(registered_coco):
    ground_truth, results = random_dataset(25)
    name = registered_coco(ground_truth)
    inputs, outputs = model_outputs(ground_truth, results, "bbox")
    once, twice = evaluated(name, inputs, outputs), evaluated(name, inputs + inputs[:2], outputs + outputs[:2])
    assert twice["bbox"] == pytest.approx(once["bbox"], nan_ok=True)


def test_metrics_without_predictions_are_nan(registered_coco):
    ground_truth, _ = random_dataset(26)
    name = registered_coco(ground_truth)
    assert math.isnan(evaluated(name, *model_outputs(ground_truth, [], "bbox"))["bbox"]["AP"])
    assert evaluated(name, [], []) == {}


def test_written_files_equal_instances_to_coco_json(registered_coco, tmp_path):
    ground_truth, results = random_dataset(32, "segm")
    name = registered_coco(ground_truth)
    inputs, outputs = model_outputs(ground_truth, results, "segm")
    evaluated(name, inputs, outputs, output_dir=str(tmp_path))
    expected = []
    for record, output in zip(inputs, outputs, strict=True):
        entries = instances_to_coco_json(output["instances"], record["image_id"])
        entries = [entry | {"category_id": 2 * entry["category_id"] + 1} for entry in entries]
        expected.append({"image_id": record["image_id"], "instances": entries})
    assert torch.load(tmp_path / "instances_predictions.pth", weights_only=True) == expected
    all_entries = [entry for image in expected for entry in image["instances"]]
    assert (tmp_path / "coco_instances_results.json").read_text() == json.dumps(all_entries)


def test_rejects_an_unknown_class(registered_coco, tmp_path):
    ground_truth, results = random_dataset(27)
    name = registered_coco(ground_truth)
    inputs, outputs = model_outputs(ground_truth, results, "bbox")
    outputs[0]["instances"].pred_classes += 7
    with pytest.raises(ValueError, match=r"predicted class .*has classes 0 to 2"):
        evaluated(name, inputs, outputs, output_dir=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_dataset_without_metadata_has_the_classes_of_its_file(registered, tmp_path):
    ground_truth, results = random_dataset(28)
    inputs, outputs = model_outputs(ground_truth, results, "bbox")
    path = str(write_json(tmp_path / "ground_truth.json", ground_truth))
    with_metadata, without = registered(json_file=path, **CLASSES), registered(json_file=path)
    expected = evaluated(with_metadata, inputs, outputs)["bbox"]
    assert evaluated(without, inputs, outputs)["bbox"] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("string_ids", [False, True], ids=["file", "records with string ids"])
def test_rejects_an_unknown_image(registered, tmp_path, string_ids):
    ground_truth, results = random_dataset(27)
    inputs, outputs = model_outputs(ground_truth, results, "bbox")
    file = {} if string_ids else {"json_file": str(write_json(tmp_path / "ground_truth.json", ground_truth))}
    name = registered(dataset_records(ground_truth), **CLASSES, **file)
    inputs = [{"image_id": f"name {record['image_id']}"} for record in inputs] if string_ids else inputs
    inputs[1]["image_id"] = "other" if string_ids else 99
    with pytest.raises(ValueError, match=r"image ('other'|99) is not one of the 6 images of"):
        evaluated(name, inputs, outputs, output_dir=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_writes_and_reads_images_without_detections(registered_coco, tmp_path, iou_type):
    ground_truth, results = random_dataset(5, iou_type)
    results = [entry for entry in results if entry["image_id"] != 2]
    name = registered_coco(ground_truth)
    metrics = evaluated(name, *model_outputs(ground_truth, results, iou_type), output_dir=str(tmp_path))[iou_type]
    again = evaluate_coco_results(ground_truth, tmp_path / "coco_instances_results.json", iou_type)
    assert metrics == pytest.approx(again, nan_ok=True)
    assert torch.load(tmp_path / "instances_predictions.pth", weights_only=True)[1]["instances"] == []


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_ap_of_an_empty_results_file_is_zero(tmp_path, iou_type):
    ground_truth, _ = random_dataset(5, iou_type)
    assert evaluate_coco_results(ground_truth, write_json(tmp_path / "results.json", []), iou_type)["AP"] == 0


def test_rejects_an_unknown_task(registered):
    with pytest.raises(ValueError, match=r"tasks must be among .*, got 'bboxes': did you mean 'bbox'"):
        COCOEvaluator(registered(), tasks=("bboxes",))


def test_coco_results_have_xywh_boxes_and_keypoints_at_pixel_centres():
    instances = Instances((10, 10))
    instances.scores = torch.tensor([0.5])
    instances.pred_classes = torch.tensor([2])
    instances.pred_boxes, instances.pred_keypoints = (
        Boxes(torch.tensor([[1.0, 2, 4, 8]])),
        torch.tensor([[[3.5, 4.5, 0.9]]]),
    )
    instances.pred_masks = torch.ones(1, 10, 10, dtype=torch.bool)
    (entry,) = instances_to_coco_json(instances, 7)
    assert (entry["image_id"], entry["category_id"], entry["bbox"]) == (7, 2, [1, 2, 3, 6])
    assert entry["keypoints"] == pytest.approx([3, 4, 0.9])
    assert mask_api.decode(json.loads(json.dumps(entry["segmentation"]))).all()


def test_concatenate_keeps_columns_that_all_parts_have():
    one = Detections(
        np.array([1]),
        np.array([0]),
        np.array([0.5]),
        np.zeros((1, 4)),
        RunLengths.from_rles([{"size": [1, 1], "counts": "1"}]),
    )
    two = Detections(np.array([2]), np.array([1]), np.array([0.4]), np.ones((1, 4)))
    both = Detections.concatenate([one, two, Detections.concatenate([])])
    assert both.image_ids.tolist() == [1, 2]
    assert both.masks is None
    assert both.boxes.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


def test_arguments_and_settings_reach_the_evaluation(registered_coco):
    ground_truth, results = random_dataset(28, "keypoints")
    name = registered_coco(ground_truth)
    sigmas = np.linspace(0.02, 0.2, 17).tolist()
    areas = {"all": (0.0, 1e10), "tiny": (0.0, 500.0)}
    settings = CocoSettings([0.4, 0.5, 0.75], areas, (1, 4), sigmas)
    expected = evaluate_coco_results(ground_truth, results, "keypoints", settings)
    options = {
        "kpt_oks_sigmas": sigmas,
        "max_dets_per_image": (1, 4),
        "settings": CocoSettings([0.4, 0.5, 0.75], areas),
    }
    metrics = evaluated(name, *model_outputs(ground_truth, results, "keypoints"), tasks=("keypoints",), **options)[
        "keypoints"
    ]
    assert metrics == pytest.approx(expected, nan_ok=True, abs=1e-3)
    assert {"APt", "AR4"} <= set(metrics)
    assert metrics["AP"] != pytest.approx(evaluate_coco_results(ground_truth, results, "keypoints")["AP"])


def test_rejects_a_wrong_number_of_sigmas(registered_coco):
    ground_truth, results = random_dataset(29, "keypoints")
    name = registered_coco(ground_truth)
    with pytest.raises(ValueError, match="got 3 for 17 keypoints"):
        evaluated(name, *model_outputs(ground_truth, results, "keypoints"), kpt_oks_sigmas=(0.1, 0.1, 0.1))


def test_img_ids_select_images(registered_coco):
    ground_truth, results = random_dataset(30)
    name = registered_coco(ground_truth)
    evaluator = COCOEvaluator(name)
    for record, output in zip(*model_outputs(ground_truth, results, "bbox"), strict=True):
        evaluator.process([record], [output])
    part = {**ground_truth, "images": ground_truth["images"][:2]}
    part["annotations"] = [a for a in ground_truth["annotations"] if a["image_id"] < 3]
    expected = evaluate_coco_results(part, [r for r in results if r["image_id"] < 3])
    assert evaluator.evaluate(img_ids=[1, 2])["bbox"] == pytest.approx(expected, nan_ok=True, abs=1e-3)


def test_rejects_annotations_with_another_number_of_keypoints():
    ground_truth, results = random_dataset(31, "keypoints")
    ground_truth["annotations"][3]["keypoints"] = ground_truth["annotations"][3]["keypoints"][:9]
    with pytest.raises(ValueError, match=r"annotation 4 has 3 keypoints, but the detections have 17"):
        evaluate_coco_results(ground_truth, results, "keypoints")
