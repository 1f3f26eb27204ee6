"""Random LVIS datasets and the metrics of the `lvis` package."""

import copy
import logging

import numpy as np
import pytest
from coco_datasets import random_dataset


def lvis_dataset(seed, iou_type):
    """A random dataset with negative categories, not exhaustively annotated categories and frequencies."""
    ground_truth, results = random_dataset(seed, iou_type, classes=5)
    rng = np.random.default_rng(seed)
    for entry in ground_truth["annotations"]:
        entry.pop("iscrowd")
    for index, category in enumerate(ground_truth["categories"]):
        category |= {"frequency": "rcf"[index % 3], "image_count": 3, "instance_count": 3}
    for image in ground_truth["images"]:
        present = sorted({a["category_id"] for a in ground_truth["annotations"] if a["image_id"] == image["id"]})
        absent = [c["id"] for c in ground_truth["categories"] if c["id"] not in present and rng.random() < 0.5]
        incomplete = [c for c in present if rng.random() < 0.3]
        image |= {"neg_category_ids": absent, "not_exhaustive_category_ids": incomplete, "coco_url": ""}
    return ground_truth, results


def official_metrics(path, results, iou_type, limit, monkeypatch):
    lvis = pytest.importorskip("lvis", reason="lvis is not installed")
    monkeypatch.setattr(np, "float", float, raising=False)  # removed from NumPy, still used by lvis
    logging.getLogger("lvis").setLevel(logging.CRITICAL)
    index = lvis.LVIS(str(path))
    evaluation = lvis.LVISEval(index, lvis.LVISResults(index, copy.deepcopy(results), max_dets=limit), iou_type)
    evaluation.params.max_dets = limit
    evaluation.run()
    return evaluation.get_results()
