"""Small random COCO datasets with results, and pycocotools' metrics for them."""

import contextlib
import copy
import io
import json

import numpy as np
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def random_rle(rng, height, width):
    """RLE of a mask of one or two rectangles."""
    mask = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(1, 3)):
        x, y = rng.integers(0, width - 1), rng.integers(0, height - 1)
        mask[y : y + rng.integers(1, height // 2), x : x + rng.integers(1, width // 2)] = 1
    rle = mask_api.encode(np.asfortranarray(mask))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def shape_fields(rng, size, iou_type, near=None):
    """Box, mask or keypoints of one object, close to those of `near` if given."""
    height, width = size
    if near is not None and "bbox" in near:
        box = np.maximum(np.array(near["bbox"]) + rng.normal(0, 3, 4), 1)
    else:
        box = np.array([*rng.uniform(0, width * 0.7, 1), *rng.uniform(0, height * 0.7, 1), *rng.uniform(2, 60, 2)])
    fields = {"bbox": [round(float(v), 1) for v in box]}
    if iou_type == "segm":
        copied = near is not None and rng.random() < 0.6
        fields["segmentation"] = near["segmentation"] if copied else random_rle(rng, height, width)
    if iou_type == "keypoints":
        points = rng.uniform(0, [width, height], (17, 2))
        if near is not None:
            points = np.array(near["keypoints"]).reshape(17, 3)[:, :2] + rng.normal(0, 3, (17, 2))
        seen = rng.integers(0, 3, (17, 1))
        fields["keypoints"] = np.concatenate([points.round(1), seen], axis=1).reshape(-1).tolist()
        fields["num_keypoints"] = int((seen > 0).sum())
    return fields


def random_dataset(seed, iou_type="bbox", images=6, classes=3, max_objects=8):
    """Ground truth and results with crowds, images without either, equal scores and more than 100 detections."""
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(40, 160)), int(rng.integers(40, 160)))
    ground_truth = {
        "images": [{"id": i + 1, "height": size[0], "width": size[1]} for i in range(images)],
        "categories": [{"id": 2 * k + 1, "name": f"class {k}"} for k in range(classes)],
        "annotations": [],
    }
    results = []
    for image in range(1, images + 1):
        objects = []
        for _ in range(rng.integers(0, max_objects)):
            entry = {"image_id": image, "category_id": int(2 * rng.integers(classes) + 1)}
            entry |= shape_fields(rng, size, iou_type) | {"iscrowd": int(rng.random() < 0.15)}
            entry["area"] = float(entry["bbox"][2] * entry["bbox"][3]) * float(rng.choice([0.6, 1.0]))
            entry["id"] = len(ground_truth["annotations"]) + 1
            ground_truth["annotations"].append(entry)
            objects.append(entry)
        for _ in range(rng.integers(0, 130 if rng.random() < 0.05 else max_objects + 4)):
            near = objects[rng.integers(len(objects))] if objects and rng.random() < 0.7 else None
            entry = {"image_id": image, "score": float(rng.choice([0.5, round(rng.random(), 2)]))}
            entry["category_id"] = near["category_id"] if near else int(2 * rng.integers(classes) + 1)
            entry |= shape_fields(rng, size, iou_type, near)
            entry.pop("num_keypoints", None)
            if iou_type != "bbox":
                entry.pop("bbox")
            results.append(entry)
    return ground_truth, results


def pycocotools_stats(ground_truth, results, iou_type):
    """The 12 metrics of pycocotools in [0, 1], and its curves."""
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = copy.deepcopy(ground_truth)
        index.createIndex()
        evaluation = COCOeval(index, index.loadRes(copy.deepcopy(results)), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist(), evaluation.eval


def write_json(path, value):
    path.write_text(json.dumps(value), encoding="utf-8")
    return path
