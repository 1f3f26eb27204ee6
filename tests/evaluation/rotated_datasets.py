"""Random datasets of rotated boxes and the metrics of pycocotools with rotated IoU."""

import contextlib
import copy
import io

import numpy as np
import torch
from coco_datasets import random_set
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detectory.evaluation import Detections
from detectory.ops import pairwise_iou_rotated


class RotatedReference(COCOeval):
    """pycocotools with the overlap of rotated boxes; no crowds."""

    def computeIoU(self, img_id, cat_id):
        gt, dt = self._gts[img_id, cat_id], self._dts[img_id, cat_id]
        dt = sorted(dt, key=lambda d: -d["score"])[: self.params.maxDets[-1]]
        boxes = [torch.tensor([d["rotated"] for d in part], dtype=torch.float64).reshape(-1, 5) for part in (dt, gt)]
        return pairwise_iou_rotated(*boxes).numpy() if dt and gt else []


def random_rotated_set(seed):
    """A ground truth of rotated boxes without crowds, and results."""
    truth, results = random_set(seed)
    rng = np.random.default_rng(seed)
    for entry in truth["annotations"] + results:
        x, y, w, h = entry["bbox"]
        entry["bbox"] = [x + w / 2, y + h / 2, w, h, float(rng.choice([0, 10, 15]))]
        entry["iscrowd"] = 0
    return truth, results


def reference(truth, results):
    truth, results = copy.deepcopy(truth), copy.deepcopy(results)
    for entry in truth["annotations"] + results:
        entry["rotated"], entry["bbox"] = entry["bbox"], entry["bbox"][:4]
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = truth
        index.createIndex()
        run = RotatedReference(index, index.loadRes(results), "bbox")
        run.evaluate(), run.accumulate(), run.summarize()
    return run.stats.tolist()


def detections(results):
    columns = [np.array([r[name] for r in results]) for name in ("image_id", "category_id", "score", "bbox")]
    return Detections(*columns)
