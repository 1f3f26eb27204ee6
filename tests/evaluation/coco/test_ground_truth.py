"""Ground truth files as people write them: what does not matter is not looked at, what is broken is named."""

import pytest
from coco_datasets import random_set, write

from detectory.evaluation import evaluate_coco_results


def test_fields_that_no_figure_depends_on_may_hold_anything(tmp_path):
    truth, results = random_set(31, "segm")
    expected = evaluate_coco_results(truth, results, "segm")
    strange = {"info": "made by hand", "licenses": [None], "videos": 3}
    truth["images"] = [{**i, "license": None, "flickr_url": 7, "date_captured": 2019.5} for i in truth["images"]]
    truth["categories"] = [{**c, "skeleton": [[0, -1]], "keypoints": {}} for c in truth["categories"]]
    path = write(tmp_path / "truth.json", truth | strange)
    assert evaluate_coco_results(path, results, "segm") == pytest.approx(expected, nan_ok=True)


def test_images_of_a_file_may_be_named_by_text(tmp_path):
    truth, results = random_set(32)
    expected = evaluate_coco_results(truth, results)
    for entry in [*truth["annotations"], *results]:
        entry["image_id"] = f"frame {entry['image_id']}"
    for image in truth["images"]:
        image["id"] = f"frame {image['id']}"
    truth_file, results_file = write(tmp_path / "truth.json", truth), write(tmp_path / "results.json", results)
    assert evaluate_coco_results(truth_file, results_file) == pytest.approx(expected, nan_ok=True)


PROBLEMS = {
    ("images", "id"): ([1], r"images\[1\]: id: expected a number or a string, got \[1\]"),
    ("images", "height"): ("x", "image 2: height: expected a positive number of pixels, got 'x'"),
    ("categories", "name"): (5, "category 3: name: expected text, got 5"),
    ("annotations", "image_id"): ({}, "annotation 2: image_id: no image has the id {}"),
    ("annotations", "category_id"): (None, "annotation 2: category_id: no category has the id None"),
    ("annotations", "bbox"): ([1, 2, 3], r"annotation 2: bbox: expected \[x, y, width, height\] of finite numbers"),
    ("annotations", "iscrowd"): ("maybe", "annotation 2: iscrowd: expected 0 or 1, got 'maybe'"),
    ("annotations", "segmentation"): ([["a"] * 6], r"annotation 2: segmentation\[0\]: a polygon's coordinates must be"),
    ("annotations", "keypoints"): ([0, 0, "x"], "annotation 2: keypoints: expected x, y, visibility"),
}


@pytest.mark.parametrize(("kind", "field"), PROBLEMS)
def test_a_broken_entry_is_named_with_its_file_id_and_field(tmp_path, kind, field):
    truth, results = random_set(33)
    value, message = PROBLEMS[kind, field]
    truth[kind][1][field] = value
    path = write(tmp_path / "truth.json", truth)
    with pytest.raises(ValueError, match=rf"CocoGroundTruth: .*truth\.json: {message}"):
        evaluate_coco_results(path, results)


@pytest.mark.parametrize("kind", ["images", "categories", "annotations"])
def test_an_entry_that_is_no_object_is_named(tmp_path, kind):
    truth, results = random_set(34)
    truth[kind][1] = 1.5
    with pytest.raises(ValueError, match=rf"truth\.json: {kind}\[1\] is no object: 1\.5"):
        evaluate_coco_results(write(tmp_path / "truth.json", truth), results)
