"""COCO's metrics equal those of pycocotools, and wrong files are refused."""

import copy
import dataclasses
import gzip
import json
import re

import numpy as np
import pytest
from coco_datasets import random_set, reference_stats, write

from detectory.evaluation import CocoGroundTruth, CocoSettings, coco_metrics, evaluate_coco_results
from detectory.evaluation.coco.results_file import load_results


def published(text, iou_type):
    """The figures of one section of COCO's expected output."""
    section = re.split(r"type=", text)
    return [float(v) for v in re.findall(r"\] = (-?[\d.]+)", next(s for s in section if s.startswith(iou_type)))]


def measured(truth, results, iou_type, settings=None, **kwargs):
    index = CocoGroundTruth(truth)
    return coco_metrics(index, load_results(results, index, iou_type), iou_type, settings, **kwargs)


@pytest.mark.parametrize("use_reference", [False, True], ids=["fast", "reference"])
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_coco_example_gives_its_published_figures(coco_gold, iou_type, use_reference):
    truth = coco_gold / "instances_val2014_100.json"
    results = coco_gold / f"instances_val2014_fake{iou_type}100_results.json"
    stats = measured(truth, results, iou_type, use_reference=use_reference).stats()
    assert [round(v, 3) for v in stats] == published((coco_gold / "expected.txt").read_text(), iou_type)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_a_part_of_cocos_example_gives_the_figures_of_the_reference(golden, iou_type):
    known = json.loads(gzip.decompress((golden / "evaluation_coco_24_images.json.gz").read_bytes()))
    stats = measured(known["truth"], known[iou_type]["results"], iou_type).stats()
    assert stats == known[iou_type]["stats"]


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
@pytest.mark.parametrize("seed", range(12))
def test_figures_equal_pycocotools_to_the_last_digit(iou_type, seed):
    truth, results = random_set(seed, iou_type)
    stats, curves = reference_stats(truth, results, iou_type)
    metrics = measured(truth, results, iou_type)
    assert metrics.stats() == stats
    assert (metrics.precision == curves["precision"]).all()
    assert (metrics.scores == curves["scores"]).all()


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(200, 212))
def test_what_the_engine_tells_equals_the_averages_of_the_curves(iou_type, seed):
    truth, results = random_set(seed, iou_type)
    told = measured(truth, results, iou_type)
    counted = dataclasses.replace(told, known=None, known_by_category=None)
    assert told.known is not None
    np.testing.assert_array_equal(list(told.summary().items()), list(counted.summary().items()))
    np.testing.assert_array_equal(list(told.per_category().items()), list(counted.per_category().items()))


def test_categories_of_one_name_are_measured_apart():
    truth, results = random_set(14)
    truth["categories"][1]["name"] = truth["categories"][0]["name"]
    assert measured(truth, results, "bbox").known is None


@pytest.mark.parametrize("iou_type", ["bbox", "segm", "keypoints"])
def test_both_engines_agree_on_other_thresholds_areas_and_limits(iou_type):
    truth, results = random_set(100, iou_type, images=12)
    areas = {"all": (0.0, 1e10), "tiny": (0.0, 400.0), "rest": (400.0, 1e10)}
    settings = CocoSettings([0.3, 0.5, 0.9], areas, (1, 3, 7), np.linspace(0.02, 0.1, 17).tolist())
    fast, slow = (measured(truth, results, iou_type, settings, use_reference=r) for r in (False, True))
    assert (fast.precision == slow.precision).all()
    assert (fast.recall == slow.recall).all()


def test_only_the_chosen_images_count():
    truth, results = random_set(7)
    kept = [1, 2, 3]
    part = {**truth, "images": truth["images"][:3]}
    part["annotations"] = [a for a in truth["annotations"] if a["image_id"] in kept]
    few = [r for r in results if r["image_id"] in kept]
    assert measured(truth, results, "bbox", image_ids=kept).stats() == measured(part, few, "bbox").stats()


def test_images_may_be_named_by_text():
    truth, results = random_set(8)
    named = copy.deepcopy(truth), copy.deepcopy(results)
    for image in named[0]["images"]:
        image["id"] = f"image {image['id']}"
    for entry in named[0]["annotations"] + named[1]:
        entry["image_id"] = f"image {entry['image_id']}"
    assert measured(*named, "bbox").stats() == measured(truth, results, "bbox").stats()


def test_files_and_their_contents_give_the_same(tmp_path):
    truth, results = random_set(9)
    files = write(tmp_path / "truth.json", truth), write(tmp_path / "results.json", results)
    assert evaluate_coco_results(*files) == pytest.approx(evaluate_coco_results(truth, results), nan_ok=True)


def test_each_class_is_reported_by_name():
    truth, results = random_set(10)
    figures = evaluate_coco_results(truth, results)
    names = [name for name in figures if name.startswith("AP-")]
    assert names == ["AP-class 0", "AP-class 1", "AP-class 2"]
    assert figures["AP"] == pytest.approx(np.nanmean([figures[name] for name in names]))


def test_no_results_at_all_are_measured_as_zero():
    truth, _ = random_set(11)
    assert evaluate_coco_results(truth, [])["AP"] == 0


WRONG = {
    "unknown image": ({"image_id": 999}, "entry 1: image_id is no image of the annotations: 999"),
    "image that is a list": ({"image_id": [1]}, r"entry 1: image_id is no image of the annotations: \[1\]"),
    "unknown category": ({"category_id": 2}, "entry 1: category_id is no category of the annotations: 2"),
    "NaN score": ({"score": float("nan")}, "entry 1: score is no finite number: nan"),
    "score of text": ({"score": "0.5"}, "entry 1: score is no finite number: '0.5'"),
    "box of three": ({"bbox": [1, 2, 3]}, r"entry 1: bbox is not x, y, width, height .*: \[1, 2, 3\]"),
    "box of text": ({"bbox": [1, 2, 3, "x"]}, "entry 1: bbox is not x, y, width, height"),
    "infinite box": ({"bbox": [1, 2, 3, float("inf")]}, "entry 1: bbox is not x, y, width, height"),
    "negative width": ({"bbox": [1, 2, -3, 4]}, "entry 1: bbox is not x, y, width, height"),
    "no box": ({"bbox": None}, "entry 1: bbox is not x, y, width, height"),
}


@pytest.mark.parametrize("name", WRONG)
def test_rejects_wrong_entries_by_their_index(tmp_path, name):
    truth, results = random_set(12)
    change, message = WRONG[name]
    results[1] |= change
    with pytest.raises(ValueError, match=rf"results.json: {message}"):
        evaluate_coco_results(truth, write(tmp_path / "results.json", results))


@pytest.mark.parametrize("field", ["image_id", "category_id", "score", "bbox"])
@pytest.mark.parametrize(
    "others", [{}, {"scores": 1, "name": "x", "max": 2, "mask": {}}], ids=["flat", "with more fields"]
)
def test_rejects_entries_without_a_field_by_their_index(tmp_path, field, others):
    truth, results = random_set(12)
    results = [entry | others for entry in results]
    results[1].pop(field)
    with pytest.raises(ValueError, match=f"results.json: entry 1: {field} is missing"):
        evaluate_coco_results(truth, write(tmp_path / "results.json", results))


@pytest.mark.parametrize("indent", [None, 4])
def test_boxes_may_begin_outside_the_image_and_are_still_read_fast(tmp_path, monkeypatch, indent):
    truth, results = random_set(12)
    for entry in results[::2]:
        entry["bbox"][:2] = [entry["bbox"][0] - 100.25, entry["bbox"][1] - 1000]
    expected = evaluate_coco_results(truth, results)
    (tmp_path / "results.json").write_text(json.dumps(results, indent=indent))
    monkeypatch.setattr("detectory.evaluation.coco.evaluator.load_results", None)
    assert evaluate_coco_results(truth, tmp_path / "results.json") == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("place", [2, 3])
def test_rejects_a_negative_size_among_boxes_outside_the_image(tmp_path, indent, place):
    truth, results = random_set(12)
    results[3]["bbox"][:2], results[4]["bbox"][place] = [-5.5, -7], -5
    (tmp_path / "results.json").write_text(json.dumps(results, indent=indent))
    with pytest.raises(ValueError, match="entry 4: bbox is not x, y, width, height"):
        evaluate_coco_results(truth, tmp_path / "results.json")


def test_fields_of_other_tools_and_small_scores_change_nothing(tmp_path):
    truth, results = random_set(12)
    more = [
        entry | {"scores": [1], "note": "null-x", "mask": {"s": 1}, "score": entry["score"] * 1e-9} for entry in results
    ]
    figures = evaluate_coco_results(truth, write(tmp_path / "results.json", more))
    assert figures == pytest.approx(evaluate_coco_results(truth, results), nan_ok=True)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ({"size": [3, 4], "counts": "0"}, r"segmentation has size \[3, 4\], but the image has \["),
        ({"size": 3.0, "counts": "0"}, r"segmentation has size 3\.0, but the image has \["),
        ([[1, 2, 3, 4, 5, 6]], "segmentation is no RLE with compressed counts"),
        ({"size": [3, 4]}, "segmentation is no RLE with compressed counts"),
    ],
    ids=["another size", "no size", "polygons", "no counts"],
)
def test_rejects_wrong_masks_by_their_index(mask, message):
    truth, results = random_set(13, "segm")
    results[2]["segmentation"] = mask
    with pytest.raises(ValueError, match=f"results: entry 2: {message}"):
        evaluate_coco_results(truth, results, "segm")


@pytest.mark.parametrize(
    ("counts", "message"),
    [("04", r"of 4 pixels for size \["), ("1P", "that are no run lengths: b'1P'"), ("ø", "that are no run lengths")],
    ids=["another size", "cut off", "other letters"],
)
def test_rejects_wrong_run_lengths_by_their_index(counts, message):
    truth, results = random_set(13, "segm")
    results[2]["segmentation"]["counts"] = counts
    with pytest.raises(ValueError, match=f"results: entry 2: segmentation has counts {message}"):
        evaluate_coco_results(truth, results, "segm")


@pytest.mark.parametrize("points", [[1.0, 2.0], [1.0, 2.0, float("nan")], [1.0, 2.0, 2.0]])
def test_rejects_wrong_keypoints_by_their_index(points):
    truth, results = random_set(14, "keypoints")
    results[3]["keypoints"] = points
    with pytest.raises(ValueError, match="results: entry 3: keypoints are not"):
        evaluate_coco_results(truth, results, "keypoints")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ('{"a": 1}', "must hold a list of detections, got dict"),
        ("[3]", "entry 0: image_id is missing"),
    ],
    ids=["no JSON", "no list", "no objects"],
)
def test_rejects_files_that_hold_no_results(tmp_path, text, message):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match=f"results.json.*{message}"):
        evaluate_coco_results(random_set(15)[0], tmp_path / "results.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("images"), "is no COCO dataset: it has no list 'images'"),
        (lambda d: d.update(annotations={}), "is no COCO dataset: it has no list 'annotations'"),
        (lambda d: d["annotations"][1].pop("image_id"), r"annotations\[1\] \(id 2\) has no 'image_id'"),
        (lambda d: d["images"][2].pop("id"), r"images\[2\] \(id None\) has no 'id'"),
    ],
    ids=["no images", "no list", "no image id", "no id"],
)
def test_rejects_files_that_hold_no_coco_dataset(tmp_path, change, message):
    truth, results = random_set(16)
    change(truth)
    with pytest.raises(ValueError, match=message):
        evaluate_coco_results(write(tmp_path / "truth.json", truth), results)


def test_rejects_an_unknown_task():
    with pytest.raises(ValueError, match=r"unknown iou_type 'box'.*bbox"):
        evaluate_coco_results({}, [], "box")
