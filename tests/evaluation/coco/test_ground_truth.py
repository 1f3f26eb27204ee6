"""Ground-truth files: unrelated fields are ignored, invalid entries are reported."""

import json

import pytest
from coco_datasets import random_dataset, write_json
from lvis_datasets import lvis_dataset

from detectory.data.validation import RULES, check_dataset
from detectory.evaluation import CocoGroundTruth, coco_metrics, evaluate_coco_results, evaluate_lvis_results
from detectory.evaluation.coco.matching import CocoObjects
from detectory.evaluation.coco.results_file import load_results
from detectory.evaluation.report import evaluate_all


def test_ignores_unrelated_fields(tmp_path):
    ground_truth, results = random_dataset(31, "segm")
    expected = evaluate_coco_results(ground_truth, results, "segm")
    unrelated = {"info": "made by hand", "licenses": [None], "videos": 3}
    ground_truth["images"] = [
        {**i, "license": None, "flickr_url": 7, "date_captured": 2019.5} for i in ground_truth["images"]
    ]
    for category in ground_truth["categories"]:
        category |= {"skeleton": [[0, -1]], "keypoints": {}}
    path = write_json(tmp_path / "ground_truth.json", ground_truth | unrelated)
    assert evaluate_coco_results(path, results, "segm") == pytest.approx(expected, nan_ok=True)


def test_image_ids_of_a_file_may_be_strings(tmp_path):
    ground_truth, results = random_dataset(32)
    expected = evaluate_coco_results(ground_truth, results)
    for entry in [*ground_truth["annotations"], *results]:
        entry["image_id"] = f"frame {entry['image_id']}"
    for image in ground_truth["images"]:
        image["id"] = f"frame {image['id']}"
    files = write_json(tmp_path / "ground_truth.json", ground_truth), write_json(tmp_path / "results.json", results)
    assert evaluate_coco_results(*files) == pytest.approx(expected, nan_ok=True)


ANNOTATION_IDS = {
    "missing": lambda entry, index: entry.pop("id"),
    "null": lambda entry, index: entry.update(id=None),
    "from_zero": lambda entry, index: entry.update(id=index),
    "negative": lambda entry, index: entry.update(id=-index),
    "equal": lambda entry, index: entry.update(id=7),
    "text": lambda entry, index: entry.update(id=f"object {index}"),
}


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("from_file", [True, False], ids=["file", "content"])
@pytest.mark.parametrize("change", ANNOTATION_IDS.values(), ids=ANNOTATION_IDS)
def test_metrics_do_not_depend_on_annotation_ids(tmp_path, change, from_file, iou_type):
    ground_truth, results = random_dataset(35, iou_type)
    expected = evaluate_coco_results(ground_truth, results, iou_type)
    for index, entry in enumerate(ground_truth["annotations"]):
        change(entry, index)
    source = write_json(tmp_path / "ground_truth.json", ground_truth) if from_file else ground_truth
    assert evaluate_coco_results(source, results, iou_type) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("change", ANNOTATION_IDS.values(), ids=ANNOTATION_IDS)
def test_pycocotools_metrics_do_not_depend_on_annotation_ids(change):
    ground_truth, results = random_dataset(36)
    expected = evaluate_coco_results(ground_truth, results)
    for index, entry in enumerate(ground_truth["annotations"]):
        change(entry, index)
    changed = CocoGroundTruth(ground_truth)
    metrics = coco_metrics(changed, load_results(results, changed, "bbox"), "bbox", use_pycocotools=True)
    assert metrics.summary()["AP"] == pytest.approx(expected["AP"])


@pytest.mark.parametrize("change", ANNOTATION_IDS.values(), ids=ANNOTATION_IDS)
def test_lvis_metrics_do_not_depend_on_annotation_ids(tmp_path, change):
    ground_truth, results = lvis_dataset(37, "segm")
    expected = evaluate_lvis_results(ground_truth, results)
    for index, entry in enumerate(ground_truth["annotations"]):
        change(entry, index)
    path = write_json(tmp_path / "ground_truth.json", ground_truth)
    assert evaluate_lvis_results(path, results) == pytest.approx(expected, nan_ok=True)


def test_error_analysis_of_a_file_without_annotation_ids_covers_every_object(tmp_path):
    ground_truth, results = random_dataset(38)
    expected = evaluate_all(ground_truth, results)
    for entry in ground_truth["annotations"]:
        del entry["id"]
    evaluation = evaluate_all(write_json(tmp_path / "ground_truth.json", ground_truth), results)
    assert evaluation.metrics["bbox"] == pytest.approx(expected.metrics["bbox"], nan_ok=True)
    assert evaluation.objects_per_class().tolist() == expected.objects_per_class().tolist()


PROBLEMS = {
    ("images", "id"): ([1], r"images\[1\]: id: must be an integer or a string, got \[1\]"),
    ("images", "height"): ("x", "image 2: height: must be a positive number of pixels, got 'x'"),
    ("categories", "name"): (5, "category 3: name: must be a string, got 5"),
    ("annotations", "image_id"): ({}, "annotation 2: image_id: no image has the id {}"),
    ("annotations", "category_id"): (None, "annotation 2: category_id: no category has the id None"),
    ("annotations", "bbox"): ([1, 2, 3], r"annotation 2: bbox: must have 4 values \[x, y, width, height\]"),
    ("annotations", "iscrowd"): ("maybe", "annotation 2: iscrowd: must be 0 or 1, got 'maybe'"),
    ("annotations", "segmentation"): ([["a"] * 6], r"annotation 2: segmentation\[0\]: polygon coordinates must be"),
    ("annotations", "keypoints"): ([0, 0, "x"], r"annotation 2: keypoints: must be \[x1, y1, v1"),
}


@pytest.mark.parametrize(("key", "field"), PROBLEMS)
def test_rejects_invalid_fields_by_file_id_and_field(tmp_path, key, field):
    ground_truth, results = random_dataset(33)
    value, message = PROBLEMS[key, field]
    ground_truth[key][1][field] = value
    path = write_json(tmp_path / "ground_truth.json", ground_truth)
    with pytest.raises(ValueError, match=rf"CocoGroundTruth: .*ground_truth\.json: {message}"):
        evaluate_coco_results(path, results)


@pytest.mark.parametrize("key", ["images", "categories", "annotations"])
def test_rejects_entries_that_are_not_objects(tmp_path, key):
    ground_truth, results = random_dataset(34)
    ground_truth[key][1] = 1.5
    with pytest.raises(ValueError, match=rf"ground_truth\.json: {key}\[1\] is not an object: 1\.5"):
        evaluate_coco_results(write_json(tmp_path / "ground_truth.json", ground_truth), results)


REJECTED = {
    "negative category id": lambda d: d["categories"][0].update(id=-1),
    "huge category id": lambda d: d["categories"][0].update(id=1 << 63),
    "text category id": lambda d: d["categories"][0].update(id="cat"),
    "text area": lambda d: d["annotations"][1].update(area="672"),
    "text in num_keypoints": lambda d: d["annotations"][1].update(num_keypoints="x"),
    "text in iscrowd": lambda d: d["annotations"][1].update(iscrowd="maybe"),
    "missing image id": lambda d: d["annotations"][1].pop("image_id"),
    "text as segmentation": lambda d: d["annotations"][1].update(segmentation="x"),
    "text as height": lambda d: d["images"][1].update(height="x"),
}


@pytest.mark.parametrize("change", REJECTED.values(), ids=REJECTED)
def test_data_check_reports_what_evaluation_rejects(tmp_path, change):
    ground_truth, _ = random_dataset(52)
    before = ground_truth["categories"][0]["id"]
    change(ground_truth)
    for entry in ground_truth["annotations"]:
        if entry["category_id"] == before:
            entry["category_id"] = ground_truth["categories"][0]["id"]
    path = write_json(tmp_path / "instances_val.json", ground_truth)
    with pytest.raises(ValueError, match="CocoGroundTruth: "):
        CocoGroundTruth(path)
    rules = {problem.rule for problem in check_dataset(path)} - {"missing-image"}
    assert "error" in {RULES[rule].severity for rule in rules}


@pytest.mark.parametrize("first", [1 << 40, 1 << 63, 1 << 70])
def test_huge_image_ids_and_sparse_category_ids_are_evaluated(tmp_path, first):
    ground_truth, results = random_dataset(54)
    expected = evaluate_coco_results(ground_truth, results)
    for image in ground_truth["images"]:
        image["id"] += first
    for category in ground_truth["categories"]:
        category["id"] = category["id"] * 1000 + (1 << 40)
    for entry in [*ground_truth["annotations"], *results]:
        entry["image_id"] += first
        entry["category_id"] = entry["category_id"] * 1000 + (1 << 40)
    for source in (ground_truth, write_json(tmp_path / "a.json", ground_truth)):
        assert evaluate_coco_results(source, results)["AP"] == pytest.approx(expected["AP"])


def test_null_areas_are_the_areas_of_the_boxes():
    ground_truth, results = random_dataset(53)
    for entry in ground_truth["annotations"]:
        entry["area"] = entry["bbox"][2] * entry["bbox"][3]
    expected = CocoObjects.from_ground_truth(CocoGroundTruth(ground_truth)).areas
    for entry in ground_truth["annotations"]:
        entry["area"] = None
    assert CocoObjects.from_ground_truth(CocoGroundTruth(ground_truth)).areas.tolist() == expected.tolist()
    assert evaluate_coco_results(ground_truth, results)["AP"] > 0


def test_upright_detections_are_compared_with_the_box_around_a_rotated_box(tmp_path):
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [30, 20, 10, 6, 90], "area": 60, "iscrowd": 0}
    images, categories = [{"id": 1, "width": 64, "height": 40}], [{"id": 1, "name": "ship"}]
    content = {"images": images, "annotations": [annotation], "categories": categories}
    (tmp_path / "a.json").write_text(json.dumps(content))
    for source in (content, tmp_path / "a.json"):
        assert CocoGroundTruth(source).index.anns[1]["bbox"] == pytest.approx([27, 15, 6, 10])


def test_repeated_annotation_ids_print_nothing(tmp_path, capfd):
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 25, "iscrowd": 0}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 10, "width": 10}],
        "annotations": [annotation, annotation],
        "categories": [{"id": 1, "name": "mug"}],
    }
    (tmp_path / "val.json").write_text(json.dumps(content))
    assert len(CocoGroundTruth(tmp_path / "val.json").index.get_ann_ids()) == 2
    assert capfd.readouterr() == ("", "")
