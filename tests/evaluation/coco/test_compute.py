"""COCO metrics of files against pycocotools, and errors of invalid results files."""

import copy
import dataclasses
import gzip
import json
import re

import numpy as np
import pytest
from coco_datasets import pycocotools_stats, random_dataset, write_json

from detectory.evaluation import CocoGroundTruth, CocoSettings, coco_metrics, evaluate_coco_results
from detectory.evaluation.coco.results_file import load_results


def published(text, iou_type):
    """Metrics of one section of COCO's expected output."""
    section = re.split(r"type=", text)
    return [float(v) for v in re.findall(r"\] = (-?[\d.]+)", next(s for s in section if s.startswith(iou_type)))]


def measured(ground_truth, results, iou_type, settings=None, **kwargs):
    index = CocoGroundTruth(ground_truth)
    return coco_metrics(index, load_results(results, index, iou_type), iou_type, settings, **kwargs)


@pytest.mark.parametrize("use_pycocotools", [False, True], ids=["fast", "reference"])
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_metrics_of_cocos_example_equal_the_published_ones(coco_gold, iou_type, use_pycocotools):
    ground_truth = coco_gold / "instances_val2014_100.json"
    results = coco_gold / f"instances_val2014_fake{iou_type}100_results.json"
    stats = measured(ground_truth, results, iou_type, use_pycocotools=use_pycocotools).stats()
    assert [round(v, 3) for v in stats] == published((coco_gold / "expected.txt").read_text(), iou_type)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_metrics_of_a_part_of_cocos_example_equal_golden_values(golden, iou_type):
    known = json.loads(gzip.decompress((golden / "evaluation_coco_24_images.json.gz").read_bytes()))
    stats = measured(known["ground_truth"], known[iou_type]["results"], iou_type).stats()
    assert stats == known[iou_type]["stats"]


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
@pytest.mark.parametrize("seed", range(12))
def test_metrics_equal_pycocotools_exactly(iou_type, seed):
    ground_truth, results = random_dataset(seed, iou_type)
    stats, curves = pycocotools_stats(ground_truth, results, iou_type)
    metrics = measured(ground_truth, results, iou_type)
    assert metrics.stats() == stats
    assert (metrics.precision == curves["precision"]).all()
    assert (metrics.scores == curves["scores"]).all()


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(200, 212))
def test_precomputed_metrics_equal_the_averages_of_the_curves(iou_type, seed):
    ground_truth, results = random_dataset(seed, iou_type)
    metrics = measured(ground_truth, results, iou_type)
    averaged = dataclasses.replace(metrics, precomputed_summary=None, precomputed_per_category=None)
    assert metrics.precomputed_summary is not None
    np.testing.assert_array_equal(list(metrics.summary().items()), list(averaged.summary().items()))
    np.testing.assert_array_equal(list(metrics.per_category().items()), list(averaged.per_category().items()))


def test_categories_of_the_same_name_have_no_precomputed_metrics():
    ground_truth, results = random_dataset(14)
    ground_truth["categories"][1]["name"] = ground_truth["categories"][0]["name"]
    assert measured(ground_truth, results, "bbox").precomputed_summary is None


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_hotcoco_equals_pycocotools_with_other_settings(iou_type):
    ground_truth, results = random_dataset(100, iou_type, images=12)
    areas = {"all": (0.0, 1e10), "tiny": (0.0, 400.0), "rest": (400.0, 1e10)}
    settings = CocoSettings([0.3, 0.5, 0.9], areas, (1, 3, 7), np.linspace(0.02, 0.1, 17).tolist())
    fast, slow = (measured(ground_truth, results, iou_type, settings, use_pycocotools=r) for r in (False, True))
    assert (fast.precision == slow.precision).all()
    assert (fast.recall == slow.recall).all()


def test_image_ids_select_images():
    ground_truth, results = random_dataset(7)
    kept = [1, 2, 3]
    part = {**ground_truth, "images": ground_truth["images"][:3]}
    part["annotations"] = [a for a in ground_truth["annotations"] if a["image_id"] in kept]
    selected = [r for r in results if r["image_id"] in kept]
    assert measured(ground_truth, results, "bbox", image_ids=kept).stats() == measured(part, selected, "bbox").stats()


def test_image_ids_may_be_strings():
    ground_truth, results = random_dataset(8)
    renamed = copy.deepcopy(ground_truth), copy.deepcopy(results)
    for image in renamed[0]["images"]:
        image["id"] = f"image {image['id']}"
    for entry in renamed[0]["annotations"] + renamed[1]:
        entry["image_id"] = f"image {entry['image_id']}"
    assert measured(*renamed, "bbox").stats() == measured(ground_truth, results, "bbox").stats()


def test_files_and_their_content_give_the_same_metrics(tmp_path):
    ground_truth, results = random_dataset(9)
    files = write_json(tmp_path / "ground_truth.json", ground_truth), write_json(tmp_path / "results.json", results)
    assert evaluate_coco_results(*files) == pytest.approx(evaluate_coco_results(ground_truth, results), nan_ok=True)


def test_results_have_ap_per_class_name():
    ground_truth, results = random_dataset(10)
    metrics = evaluate_coco_results(ground_truth, results)
    names = [name for name in metrics if name.startswith("AP-")]
    assert names == ["AP-class 0", "AP-class 1", "AP-class 2"]
    assert metrics["AP"] == pytest.approx(np.nanmean([metrics[name] for name in names]))


def test_ap_without_results_is_zero():
    ground_truth, _ = random_dataset(11)
    assert evaluate_coco_results(ground_truth, [])["AP"] == 0


INVALID = {
    "unknown image": ({"image_id": 999}, "entry 1: image_id is not an image of the annotations: 999"),
    "list as image id": ({"image_id": [1]}, r"entry 1: image_id is not an image of the annotations: \[1\]"),
    "unknown category": ({"category_id": 2}, "entry 1: category_id is not a category of the annotations: 2"),
    "NaN score": ({"score": float("nan")}, "entry 1: score is not a finite number: nan"),
    "string score": ({"score": "0.5"}, "entry 1: score is not a finite number: '0.5'"),
    "three values": ({"bbox": [1, 2, 3]}, r"entry 1: bbox is not x, y, width, height .*: \[1, 2, 3\]"),
    "string in box": ({"bbox": [1, 2, 3, "x"]}, "entry 1: bbox is not x, y, width, height"),
    "infinite box": ({"bbox": [1, 2, 3, float("inf")]}, "entry 1: bbox is not x, y, width, height"),
    "negative width": ({"bbox": [1, 2, -3, 4]}, "entry 1: bbox is not x, y, width, height"),
    "null box": ({"bbox": None}, "entry 1: bbox is not x, y, width, height"),
}


@pytest.mark.parametrize("name", INVALID)
def test_rejects_invalid_entries_by_index(tmp_path, name):
    ground_truth, results = random_dataset(12)
    change, message = INVALID[name]
    results[1] |= change
    with pytest.raises(ValueError, match=rf"results.json: {message}"):
        evaluate_coco_results(ground_truth, write_json(tmp_path / "results.json", results))


@pytest.mark.parametrize("field", ["image_id", "category_id", "score", "bbox"])
@pytest.mark.parametrize("extra", [{}, {"scores": 1, "name": "x", "max": 2, "mask": {}}], ids=["flat", "extra fields"])
def test_rejects_missing_fields_by_index(tmp_path, field, extra):
    ground_truth, results = random_dataset(12)
    results = [entry | extra for entry in results]
    results[1].pop(field)
    with pytest.raises(ValueError, match=f"results.json: entry 1: {field} is missing"):
        evaluate_coco_results(ground_truth, write_json(tmp_path / "results.json", results))


@pytest.mark.parametrize("indent", [None, 4])
def test_boxes_outside_the_image_use_the_fast_path(tmp_path, monkeypatch, indent):
    ground_truth, results = random_dataset(12)
    for entry in results[::2]:
        entry["bbox"][:2] = [entry["bbox"][0] - 100.25, entry["bbox"][1] - 1000]
    expected = evaluate_coco_results(ground_truth, results)
    (tmp_path / "results.json").write_text(json.dumps(results, indent=indent))
    monkeypatch.setattr("detectory.evaluation.coco.file_evaluation.load_results", None)
    assert evaluate_coco_results(ground_truth, tmp_path / "results.json") == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("column", [2, 3])
def test_rejects_a_negative_size_among_boxes_outside_the_image(tmp_path, indent, column):
    ground_truth, results = random_dataset(12)
    results[3]["bbox"][:2], results[4]["bbox"][column] = [-5.5, -7], -5
    (tmp_path / "results.json").write_text(json.dumps(results, indent=indent))
    with pytest.raises(ValueError, match="entry 4: bbox is not x, y, width, height"):
        evaluate_coco_results(ground_truth, tmp_path / "results.json")


def test_ignores_extra_fields_and_small_scores(tmp_path):
    ground_truth, results = random_dataset(12)
    changed = [
        entry | {"scores": [1], "note": "null-x", "mask": {"s": 1}, "score": entry["score"] * 1e-9} for entry in results
    ]
    metrics = evaluate_coco_results(ground_truth, write_json(tmp_path / "results.json", changed))
    assert metrics == pytest.approx(evaluate_coco_results(ground_truth, results), nan_ok=True)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ({"size": [3, 4], "counts": "0"}, r"segmentation has size \[3, 4\], but the image has \["),
        ({"size": 3.0, "counts": "0"}, r"segmentation has size 3\.0, but the image has \["),
        ([[1, 2, 3, 4, 5, 6]], "segmentation is not an RLE with compressed counts"),
        ({"size": [3, 4]}, "segmentation is not an RLE with compressed counts"),
    ],
    ids=["wrong size", "size is a number", "polygons", "missing counts"],
)
def test_rejects_invalid_masks_by_index(mask, message):
    ground_truth, results = random_dataset(13, "segm")
    results[2]["segmentation"] = mask
    with pytest.raises(ValueError, match=f"results: entry 2: {message}"):
        evaluate_coco_results(ground_truth, results, "segm")


@pytest.mark.parametrize(
    ("counts", "message"),
    [("04", r"of 4 pixels for size \["), ("1P", "that are not run lengths: b'1P'"), ("ø", "that are not run lengths")],
    ids=["wrong sum", "truncated", "invalid characters"],
)
def test_rejects_invalid_counts_by_index(counts, message):
    ground_truth, results = random_dataset(13, "segm")
    results[2]["segmentation"]["counts"] = counts
    with pytest.raises(ValueError, match=f"results: entry 2: segmentation has counts {message}"):
        evaluate_coco_results(ground_truth, results, "segm")


@pytest.mark.parametrize("points", [[1.0, 2.0], [1.0, 2.0, float("nan")], [1.0, 2.0, 2.0]])
def test_rejects_invalid_keypoints_by_index(points):
    ground_truth, results = random_dataset(14, "keypoints")
    results[3]["keypoints"] = points
    with pytest.raises(ValueError, match="results: entry 3: keypoints are not"):
        evaluate_coco_results(ground_truth, results, "keypoints")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "JSON"),
        ('{"a": 1}', "must be a list of detections, got dict"),
        ("[3]", "entry 0: image_id is missing"),
    ],
    ids=["not JSON", "not a list", "not objects"],
)
def test_rejects_files_without_results(tmp_path, text, message):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match=f"results.json.*{message}"):
        evaluate_coco_results(random_dataset(15)[0], tmp_path / "results.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("images"), "is not a COCO dataset: list 'images' is missing"),
        (lambda d: d.update(annotations={}), "is not a COCO dataset: list 'annotations' is missing"),
        (lambda d: d["annotations"][1].pop("image_id"), r"annotations\[1\] \(id 2\): missing field 'image_id'"),
        (lambda d: d["images"][2].pop("id"), r"images\[2\] \(id None\): missing field 'id'"),
    ],
    ids=["missing list", "not a list", "missing image id", "missing id"],
)
def test_rejects_files_that_are_not_coco_datasets(tmp_path, change, message):
    ground_truth, results = random_dataset(16)
    change(ground_truth)
    with pytest.raises(ValueError, match=message):
        evaluate_coco_results(write_json(tmp_path / "ground_truth.json", ground_truth), results)


def test_rejects_an_unknown_iou_type():
    with pytest.raises(ValueError, match=r"unknown iou_type 'box'.*bbox"):
        evaluate_coco_results({}, [], "box")
