"""End-to-end COCO evaluation of files by detectory, hotcoco, pycocotools and faster-coco-eval.

Boxes with the density of COCO: 2,060 images, about 18,000 objects and 113,000 detections; masks on 60 images.
"""

import contextlib
import io
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from synthetic_coco import write_dataset

from detectory.evaluation import evaluate_coco_results


def with_detectory(ground_truth, results, iou_type):
    return evaluate_coco_results(ground_truth, results, iou_type)["AP"] / 100


def with_hotcoco(ground_truth, results, iou_type):
    import hotcoco

    return _run(hotcoco.COCO, hotcoco.COCOeval, ground_truth, results, iou_type)


def with_pycocotools(ground_truth, results, iou_type):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return _run(COCO, COCOeval, ground_truth, results, iou_type)


def with_faster_coco_eval(ground_truth, results, iou_type):
    faster = pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is not installed")
    return _run(faster.COCO, faster.COCOeval_faster, ground_truth, results, iou_type)


def _run(dataset, evaluation, ground_truth, results, iou_type):
    with contextlib.redirect_stdout(io.StringIO()):
        index = dataset(str(ground_truth))
        run = evaluation(index, index.loadRes(str(results)), iou_type)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(run.stats[0])


RUN = {
    "detectory": with_detectory,
    "hotcoco": with_hotcoco,
    "pycocotools": with_pycocotools,
    "faster-coco-eval": with_faster_coco_eval,
}


@pytest.fixture(scope="module", params=["bbox", "segm"])
def dataset(request, tmp_path_factory):
    """Return the task, the paths and the number of images."""
    images, detections = (2060, 54.8) if request.param == "bbox" else (60, 60)
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, *write_dataset(folder, images, 8.67, detections, masks=request.param == "segm"), images


@pytest.mark.parametrize("implementation", RUN)
def test_evaluate_files(benchmark, dataset, implementation):
    iou_type, ground_truth, results, images = dataset
    benchmark.group = f"{iou_type} of {images} images end to end"
    slow = implementation == "pycocotools" and iou_type == "bbox"
    rounds = {"rounds": 1} if slow else {"rounds": 15, "warmup_rounds": 2}
    value = benchmark.pedantic(RUN[implementation], (ground_truth, results, iou_type), **rounds)
    assert value == pytest.approx(with_hotcoco(ground_truth, results, iou_type), abs=1e-9)
