"""Random LVIS datasets and the metrics of the `lvis` package."""

import copy
import logging

import numpy as np
import pytest
from coco_datasets import random_set


def lvis_set(seed, iou_type):
    """A random set with absent classes, incomplete classes and frequencies."""
    truth, results = random_set(seed, iou_type, classes=5)
    rng = np.random.default_rng(seed)
    for entry in truth["annotations"]:
        entry.pop("iscrowd")
    for index, category in enumerate(truth["categories"]):
        category |= {"frequency": "rcf"[index % 3], "image_count": 3, "instance_count": 3}
    for image in truth["images"]:
        present = sorted({a["category_id"] for a in truth["annotations"] if a["image_id"] == image["id"]})
        absent = [c["id"] for c in truth["categories"] if c["id"] not in present and rng.random() < 0.5]
        incomplete = [c for c in present if rng.random() < 0.3]
        image |= {"neg_category_ids": absent, "not_exhaustive_category_ids": incomplete, "coco_url": ""}
    return truth, results


def official(path, results, iou_type, limit, monkeypatch):
    lvis = pytest.importorskip("lvis", reason="pip install lvis to compare with the official package")
    monkeypatch.setattr(np, "float", float, raising=False)  # the package needs NumPy's old name
    logging.getLogger("lvis").setLevel(logging.CRITICAL)
    index = lvis.LVIS(str(path))
    evaluation = lvis.LVISEval(index, lvis.LVISResults(index, copy.deepcopy(results), max_dets=limit), iou_type)
    evaluation.params.max_dets = limit
    evaluation.run()
    return evaluation.get_results()
