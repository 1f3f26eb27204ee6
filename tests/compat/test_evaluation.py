"""Evaluators and their helpers under Detectron2's module paths."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detectory.compat.detectron2.data import MetadataCatalog
from detectory.compat.detectron2.evaluation import COCOEvaluator
from detectory.compat.detectron2.evaluation import pascal_voc_evaluation as voc
from detectory.compat.detectron2.evaluation.coco_evaluation import COCOevalMaxDets
from detectory.compat.detectron2.evaluation.fast_eval_api import COCOeval_opt
from detectory.compat.detectron2.structures import Boxes, Instances


def scene(seed=0, images=6, objects=5, detections=9):
    """Ground ground_truth and results for a few images and two classes, with crowds."""
    random = np.random.default_rng(seed)

    def box():
        return [float(value) for value in (*random.uniform(0, 60, 2), *random.uniform(4, 120, 2))]

    annotations = [
        {"image_id": i, "category_id": int(random.integers(1, 3)), "bbox": b, "area": b[2] * b[3], "iscrowd": n == 0}
        for i in range(1, images + 1)
        for n in range(objects)
        for b in [box()]
    ]
    ground_truth = {
        "images": [{"id": i, "height": 200, "width": 200} for i in range(1, images + 1)],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [{**a, "id": n, "iscrowd": int(a["iscrowd"])} for n, a in enumerate(annotations, 1)],
    }
    near = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "score": float(random.uniform()), "bbox": b}
        for a in ground_truth["annotations"]
        for b in [[v + float(random.normal(0, 4)) for v in a["bbox"]]]
    ]
    far = [{**entry, "bbox": box(), "score": float(random.uniform())} for entry in near[:detections]]
    return ground_truth, near + far


def evaluate(cls, ground_truth, results, **settings):
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = copy.deepcopy(ground_truth)
        index.createIndex()
        evaluation = cls(index, index.loadRes(copy.deepcopy(results)), "bbox")
        for name, value in settings.items():
            setattr(evaluation.params, name, value)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


@pytest.mark.parametrize(
    "settings",
    [{}, {"useCats": 0}, {"iouThrs": []}, {"recThrs": []}, {"maxDets": [1]}, {"areaRng": []}],
    ids=str,
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fast_evaluation_equals_pycocotools(seed, settings):
    ground_truth, results = scene(seed)
    theirs, ours = (evaluate(cls, ground_truth, results, **settings).eval for cls in (COCOeval, COCOeval_opt))
    np.testing.assert_array_equal(ours["precision"], theirs["precision"])
    np.testing.assert_array_equal(ours["recall"], theirs["recall"])


def test_fast_evaluation_of_images_without_objects_equals_pycocotools():
    ground_truth, results = scene()
    ground_truth["annotations"] = []
    theirs, ours = (evaluate(cls, ground_truth, results).eval for cls in (COCOeval, COCOeval_opt))
    np.testing.assert_array_equal(ours["precision"], theirs["precision"])


@pytest.mark.parametrize("field", ["id", "image_id", "category_id", "area", "iscrowd", "bbox"])
def test_fast_evaluation_raises_what_pycocotools_raises(field):
    ground_truth, results = scene()
    for annotation in ground_truth["annotations"]:
        del annotation[field]
    outcomes = []
    for cls in (COCOeval, COCOeval_opt):
        try:
            outcomes.append(evaluate(cls, ground_truth, results).eval["precision"].sum())
        except (KeyError, TypeError) as error:
            outcomes.append(type(error))
    assert outcomes[0] == outcomes[1]


def test_summary_supports_any_detection_limit():
    ground_truth, results = scene()
    with contextlib.redirect_stdout(io.StringIO()):
        usual = evaluate(COCOeval, ground_truth, results)
        usual.summarize()
        ours = evaluate(COCOevalMaxDets, ground_truth, results, maxDets=[1, 10, 100])
        ours.summarize()
        wide = evaluate(COCOevalMaxDets, ground_truth, results, maxDets=[1, 10, 300])
        wide.summarize()
    np.testing.assert_allclose(ours.stats, usual.stats)
    assert wide.stats[0] > 0  # pycocotools only summarizes the precision at 100 detections


def test_summary_requires_accumulated_metrics():
    with pytest.raises(RuntimeError, match="accumulate"):
        COCOevalMaxDets(iouType="bbox").summarize()


@pytest.fixture
def kit(tmp_path):
    """Two images in VOC's layout with one dog each, the second one difficult; only the first is detected."""
    lines = "<object><name>dog</name><difficult>{}</difficult><bndbox>{}</bndbox></object>"
    corners = "<xmin>10</xmin><ymin>10</ymin><xmax>59</xmax><ymax>59</ymax>"
    for image, difficult in (("one", 0), ("two", 1)):
        (tmp_path / f"{image}.xml").write_text(f"<annotation>{lines.format(difficult, corners)}</annotation>")
    (tmp_path / "images.txt").write_text("one\ntwo\n")
    (tmp_path / "dog.txt").write_text("one 0.9 10 10 59 59\none 0.8 100 100 150 150\ntwo 0.7 10 10 59 59\n")
    return tmp_path


def test_voc_files_are_read(kit):
    expected = {"name": "dog", "pose": "Unspecified", "truncated": 0, "difficult": 1, "bbox": [10, 10, 59, 59]}
    assert voc.parse_rec(str(kit / "two.xml")) == [expected]


def test_voc_object_without_a_coordinate_is_reported(kit):
    (kit / "one.xml").write_text("<annotation><object><name>dog</name><bndbox/></object></annotation>")
    with pytest.raises(ValueError, match=r"one.xml: object 'dog': bndbox/xmin is missing"):
        voc.parse_rec(str(kit / "one.xml"))


def test_voc_class_is_evaluated_from_files(kit):
    results, annotations = str(kit / "{}.txt"), str(kit / "{}.xml")
    recall, precision, average = voc.voc_eval(results, annotations, str(kit / "images.txt"), "dog")
    assert recall.tolist() == [1, 1, 1]
    assert precision.tolist() == [1, 0.5, 0.5]  # the difficult dog is ignored
    assert average == 1


def test_voc_2007_metric_averages_eleven_recalls():
    assert voc.voc_ap(np.array([0.5]), np.array([1.0]), use_07_metric=True) == pytest.approx(6 / 11)


def test_predicted_class_outside_the_dataset_is_an_assertion_error(tmp_path):
    (tmp_path / "ground_truth.json").write_text(json.dumps(scene()[0]))
    MetadataCatalog.get("scene_of_two").set(json_file=str(tmp_path / "ground_truth.json"), thing_classes=["a", "b"])
    evaluator = COCOEvaluator("scene_of_two")
    evaluator.reset()
    detections = Instances(
        (200, 200), pred_boxes=Boxes([[0, 0, 9, 9]]), scores=torch.ones(1), pred_classes=torch.tensor([7])
    )
    evaluator.process([{"image_id": 1}], [{"instances": detections}])
    with pytest.raises(AssertionError, match="predicted class 7, but scene_of_two has classes 0 to 1"):
        evaluator.evaluate()
    MetadataCatalog.remove("scene_of_two")
