"""The report: one page that needs no other file."""

import json
import re

import numpy as np
import pytest
from coco_datasets import random_set, write
from PIL import Image

from detectory.evaluation import evaluate_coco_results
from detectory.evaluation.report import evaluate_all, write_coco_report
from detectory.evaluation.report.image_files import ImageFiles


def with_boxes(truth, results):
    """Results that have boxes beside their masks or keypoints, as detectors write them."""
    boxes = {(a["image_id"], a["category_id"]): a["bbox"] for a in truth["annotations"]}
    return [r | {"bbox": boxes.get((r["image_id"], r["category_id"]), [1, 1, 9, 9])} for r in results]


def files_of(folder, truth, results, pictures=True):
    """Annotations, results and pictures as COCO's folders lie."""
    (folder / "annotations").mkdir()
    (folder / "val").mkdir()
    for image in truth["images"]:
        image["file_name"] = f"{image['id']}.jpg"
        if pictures:
            pixels = np.random.default_rng(image["id"]).integers(0, 255, (image["height"], image["width"], 3), np.uint8)
            Image.fromarray(pixels).save(folder / "val" / image["file_name"])
    return write(folder / "annotations" / "instances_val.json", truth), write(folder / "results.json", results)


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_figures_are_those_of_each_task(iou_type):
    truth, results = random_set(40, iou_type)
    results = with_boxes(truth, results)
    evaluation = evaluate_all(truth, results)
    assert list(evaluation.figures) == ["bbox"] + [iou_type] * (iou_type != "bbox")
    for task, figures in evaluation.figures.items():
        assert figures == pytest.approx(evaluate_coco_results(truth, results, task), nan_ok=True)


def test_a_page_with_pictures_holds_everything(tmp_path):
    truth, results = random_set(41, "segm")
    evaluation = evaluate_all(*files_of(tmp_path, truth, with_boxes(truth, results)))
    page = write_coco_report(evaluation, tmp_path / "report.html", title="Run <7>").read_text()
    for text in ("Run &lt;7&gt;", "box AP", "mask AP50", "Calibration", "Confusions", "class 2", "Worst images"):
        assert text in page
    assert page.count("data:image/jpeg") > 10
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)


def test_a_page_without_pictures_says_so(tmp_path):
    truth, results = random_set(42)
    evaluation = evaluate_all(*files_of(tmp_path, truth, results, pictures=False))
    page = write_coco_report(evaluation, tmp_path / "report.html").read_text()
    assert "No pictures were found beside the annotation file" in page
    assert "data:image/jpeg" not in page


def test_keypoints_alone_have_figures_but_no_errors(tmp_path):
    truth, results = random_set(43, "keypoints")
    evaluation = evaluate_all(truth, results)
    page = write_coco_report(evaluation, tmp_path / "report.html").read_text()
    assert "these results hold keypoints alone" in page
    assert "Confusions" not in page


def test_no_detections_at_all_make_a_page(tmp_path):
    truth, results = files_of(tmp_path, random_set(44)[0], [])
    page = write_coco_report(evaluate_all(truth, results), tmp_path / "report.html").read_text()
    assert "missed objects" in page


def test_a_dataset_without_objects_makes_a_page(tmp_path):
    truth, results = random_set(45)
    truth["annotations"] = []
    page = write_coco_report(evaluate_all(truth, results), tmp_path / "report.html").read_text()
    assert "on background" in page


def test_pictures_are_found_as_coco_and_lvis_name_them(tmp_path):
    truth, _ = random_set(46)
    paths = files_of(tmp_path, truth, [])
    files = ImageFiles(evaluate_all(*paths).truth)
    assert files.find(1) == tmp_path / "val" / "1.jpg"
    for image in truth["images"]:
        del image["file_name"]
        image["coco_url"] = f"http://images.example.org/val/{image['id']}.jpg"
    files = ImageFiles(evaluate_all(write(paths[0], truth), paths[1]).truth)
    assert files.find(2) == tmp_path / "val" / "2.jpg"


def test_rejects_a_folder_without_the_pictures(tmp_path):
    truth, results = files_of(tmp_path, *random_set(47))
    with pytest.raises(FileNotFoundError, match=r"annotations holds no picture of .*instances_val.json, such as 1.jpg"):
        write_coco_report(evaluate_all(truth, results), tmp_path / "r.html", images=tmp_path / "annotations")
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"image_id": 1, "category_id": 1, "score": 0.5, "bb', "results.json: not valid JSON"),
        ('{"annotations": []}', "results.json must hold a list of detections, got dict"),
        ('[{"image_id": 1, "category_id": 1, "score": 0.5}]', "entry 0 has none of bbox, segmentation, keypoints"),
        ('["bbox"]', "entry 0: image_id is missing: the entry is no object"),
    ],
    ids=["truncated", "no list", "no task", "no object"],
)
def test_rejects_files_that_hold_no_results(tmp_path, text, message):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        evaluate_all(random_set(48)[0], tmp_path / "results.json")


def test_the_wrong_entry_of_a_second_task_is_named():
    truth, results = random_set(49, "segm")
    results = json.loads(json.dumps(with_boxes(truth, results)))
    results[3]["segmentation"]["size"] = [3, 3]
    with pytest.raises(ValueError, match=r"entry 3: segmentation has size \[3, 3\]"):
        evaluate_all(truth, results)
