"""HTML report of COCO evaluations."""

import json
import re

import numpy as np
import pytest
from coco_datasets import random_dataset, write_json
from PIL import Image

from detectory.evaluation import evaluate_coco_results
from detectory.evaluation.report import evaluate_all, write_coco_report
from detectory.evaluation.report.image_files import ImageFiles


def with_boxes(ground_truth, results):
    """Add boxes to results with masks or keypoints, as detectors write them."""
    boxes = {(a["image_id"], a["category_id"]): a["bbox"] for a in ground_truth["annotations"]}
    return [r | {"bbox": boxes.get((r["image_id"], r["category_id"]), [1, 1, 9, 9])} for r in results]


def write_files(folder, ground_truth, results, has_images=True):
    """Write annotations, results and images in COCO's folder layout."""
    (folder / "annotations").mkdir()
    (folder / "val").mkdir()
    for image in ground_truth["images"]:
        image["file_name"] = f"{image['id']}.jpg"
        if has_images:
            pixels = np.random.default_rng(image["id"]).integers(0, 255, (image["height"], image["width"], 3), np.uint8)
            Image.fromarray(pixels).save(folder / "val" / image["file_name"])
    annotations = write_json(folder / "annotations" / "instances_val.json", ground_truth)
    return annotations, write_json(folder / "results.json", results)


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_metrics_equal_those_of_each_task(iou_type):
    ground_truth, results = random_dataset(40, iou_type)
    results = with_boxes(ground_truth, results)
    evaluation = evaluate_all(ground_truth, results)
    assert list(evaluation.metrics) == ["bbox"] + [iou_type] * (iou_type != "bbox")
    for task, metrics in evaluation.metrics.items():
        assert metrics == pytest.approx(evaluate_coco_results(ground_truth, results, task), nan_ok=True)


def test_page_has_all_sections_and_no_references(tmp_path):
    ground_truth, results = random_dataset(41, "segm")
    evaluation = evaluate_all(*write_files(tmp_path, ground_truth, with_boxes(ground_truth, results)))
    page = write_coco_report(evaluation, tmp_path / "report.html", title="Run <7>").read_text()
    sections = "Metrics", "Precision and recall", "Errors", "Classes", "Confusion matrix", "Error examples"
    for text in ("Run &lt;7&gt;", "box AP", "mask AP50", "class 2", *sections):
        assert text in page
    assert page.count("data:image/jpeg") > 10
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)


def test_page_without_images_lists_errors(tmp_path):
    ground_truth, results = random_dataset(42)
    evaluation = evaluate_all(*write_files(tmp_path, ground_truth, results, has_images=False))
    page = write_coco_report(evaluation, tmp_path / "report.html").read_text()
    assert "The image files were not found next to the annotation file" in page
    assert "data:image/jpeg" not in page


def test_page_of_keypoints_has_no_error_analysis(tmp_path):
    ground_truth, results = random_dataset(43, "keypoints")
    evaluation = evaluate_all(ground_truth, results)
    page = write_coco_report(evaluation, tmp_path / "report.html").read_text()
    assert "but these results have only keypoints" in page
    assert "Confusion matrix" not in page


def test_page_without_detections(tmp_path):
    ground_truth, results = write_files(tmp_path, random_dataset(44)[0], [])
    page = write_coco_report(evaluate_all(ground_truth, results), tmp_path / "report.html").read_text()
    assert "missed object" in page


def test_page_without_objects(tmp_path):
    ground_truth, results = random_dataset(45)
    ground_truth["annotations"] = []
    page = write_coco_report(evaluate_all(ground_truth, results), tmp_path / "report.html").read_text()
    assert "background" in page


def test_finds_images_by_file_name_and_by_coco_url(tmp_path):
    ground_truth, _ = random_dataset(46)
    paths = write_files(tmp_path, ground_truth, [])
    files = ImageFiles(evaluate_all(*paths).ground_truth)
    assert files.find(1) == tmp_path / "val" / "1.jpg"
    for image in ground_truth["images"]:
        del image["file_name"]
        image["coco_url"] = f"http://images.example.org/val/{image['id']}.jpg"
    files = ImageFiles(evaluate_all(write_json(paths[0], ground_truth), paths[1]).ground_truth)
    assert files.find(2) == tmp_path / "val" / "2.jpg"


def test_rejects_a_folder_without_the_images(tmp_path):
    ground_truth, results = write_files(tmp_path, *random_dataset(47))
    with pytest.raises(FileNotFoundError, match=r"annotations has no image of .*instances_val.json, for example 1.jpg"):
        write_coco_report(evaluate_all(ground_truth, results), tmp_path / "r.html", images=tmp_path / "annotations")
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"image_id": 1, "category_id": 1, "score": 0.5, "bb', "results.json.*JSON"),
        ('{"annotations": []}', "results.json must be a list of detections, got dict"),
        (
            '[{"image_id": 1, "category_id": 1, "score": 0.5}]',
            "results.json: every entry must have one of the fields bbox, segmentation, keypoints$",
        ),
        ('["bbox"]', "entry 0: image_id is missing: the entry is not an object"),
    ],
    ids=["truncated", "not a list", "no task", "not an object"],
)
def test_rejects_files_without_results(tmp_path, text, message):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        evaluate_all(random_dataset(48)[0], tmp_path / "results.json")


@pytest.mark.parametrize("has_mask", [lambda index: index % 2, lambda index: not index % 2], ids=["odd", "even"])
def test_warns_about_masks_that_only_some_entries_have(has_mask, caplog):
    ground_truth, results = random_dataset(50, "segm")
    results = with_boxes(ground_truth, results)
    for index, entry in enumerate(results):
        if not has_mask(index):
            del entry["segmentation"]
    count = sum("segmentation" in entry for entry in results)
    assert list(evaluate_all(ground_truth, results).metrics) == ["bbox"]
    assert f"'segmentation' is in {count} of {len(results)} entries and missing in entry" in caplog.text


def test_rejects_results_without_a_field_that_all_entries_have():
    ground_truth, results = random_dataset(51, "segm")
    results = with_boxes(ground_truth, results)
    del results[0]["bbox"], results[1]["segmentation"]
    with pytest.raises(ValueError, match=r"every entry must have .*'bbox' is in .* and missing in entry 0"):
        evaluate_all(ground_truth, results)


def test_rejects_invalid_entries_of_the_second_task():
    ground_truth, results = random_dataset(49, "segm")
    results = json.loads(json.dumps(with_boxes(ground_truth, results)))
    results[3]["segmentation"]["size"] = [3, 3]
    with pytest.raises(ValueError, match=r"entry 3: segmentation has size \[3, 3\]"):
        evaluate_all(ground_truth, results)
