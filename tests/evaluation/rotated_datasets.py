"""Random datasets of rotated boxes and the metrics of pycocotools with rotated IoU."""

import contextlib
import copy
import io

import numpy as np
import torch
from coco_datasets import random_dataset
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detectory.evaluation import Detections
from detectory.ops import pairwise_iou_rotated


class RotatedReference(COCOeval):
    """pycocotools with the IoU of rotated boxes, without crowds."""

    def computeIoU(self, img_id, cat_id):
        gt, dt = self._gts[img_id, cat_id], self._dts[img_id, cat_id]
        dt = sorted(dt, key=lambda d: -d["score"])[: self.params.maxDets[-1]]
        boxes = [torch.tensor([d["rotated"] for d in part], dtype=torch.float64).reshape(-1, 5) for part in (dt, gt)]
        return pairwise_iou_rotated(*boxes).numpy() if dt and gt else []


def random_rotated_dataset(seed):
    """Ground truth of rotated boxes without crowds, and results."""
    ground_truth, results = random_dataset(seed)
    rng = np.random.default_rng(seed)
    for entry in ground_truth["annotations"] + results:
        x, y, w, h = entry["bbox"]
        entry["bbox"] = [x + w / 2, y + h / 2, w, h, float(rng.choice([0, 10, 15]))]
        entry["iscrowd"] = 0
    return ground_truth, results


def pycocotools_metrics(ground_truth, results):
    ground_truth, results = copy.deepcopy(ground_truth), copy.deepcopy(results)
    for entry in ground_truth["annotations"] + results:
        entry["rotated"], entry["bbox"] = entry["bbox"], entry["bbox"][:4]
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = ground_truth
        index.createIndex()
        run = RotatedReference(index, index.loadRes(results), "bbox")
        run.evaluate(), run.accumulate(), run.summarize()
    return run.stats.tolist()


def to_detections(results):
    columns = [np.array([r[name] for r in results]) for name in ("image_id", "category_id", "score", "bbox")]
    return Detections(*columns)
