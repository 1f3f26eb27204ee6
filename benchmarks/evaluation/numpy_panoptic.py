"""Panoptic quality in plain NumPy, one image at a time, as the peer of the benchmark."""

import json
from collections import defaultdict

import numpy as np
from PIL import Image

OFFSET = 1 << 24


def read_ids(path):
    """Read the ids (H, W) of a panoptic PNG."""
    colors = np.array(Image.open(path), dtype=np.int64)
    return colors[..., 0] + 256 * colors[..., 1] + 65536 * colors[..., 2]


def panoptic_quality(ground_truth_file, predictions_file, ground_truth_folder, predictions_folder):
    """Return the mean PQ of the categories that occur, in percent."""
    ground_truth, predictions = (json.loads(file.read_text()) for file in (ground_truth_file, predictions_file))
    prediction_of = {entry["image_id"]: entry for entry in predictions["annotations"]}
    iou, tp, fp, fn = (defaultdict(float) for _ in range(4))
    for entry in ground_truth["annotations"]:
        prediction = prediction_of[entry["image_id"]]
        ids = read_ids(ground_truth_folder / entry["file_name"])
        predicted_ids = read_ids(predictions_folder / prediction["file_name"])
        segments = {s["id"]: s for s in entry["segments_info"]}
        predicted = {s["id"]: s for s in prediction["segments_info"]}
        labels, counts = np.unique(predicted_ids, return_counts=True)
        areas = dict(zip(labels.tolist(), counts.tolist(), strict=True))
        pairs, counts = np.unique(ids * OFFSET + predicted_ids, return_counts=True)
        shared = {(pair // OFFSET, pair % OFFSET): n for pair, n in zip(pairs.tolist(), counts.tolist(), strict=True)}
        matched, matched_predictions = set(), set()
        for (a, b), n in shared.items():
            if a not in segments or b not in predicted or segments[a].get("iscrowd"):
                continue
            category = segments[a]["category_id"]
            union = areas[b] + segments[a]["area"] - n - shared.get((0, b), 0)
            if category == predicted[b]["category_id"] and n / union > 0.5:
                iou[category] += n / union
                tp[category] += 1
                matched.add(a), matched_predictions.add(b)
        crowds = {s["category_id"]: key for key, s in segments.items() if s.get("iscrowd")}
        for key, segment in segments.items():
            fn[segment["category_id"]] += key not in matched and not segment.get("iscrowd")
        for key, segment in predicted.items():
            ignored = shared.get((0, key), 0) + shared.get((crowds.get(segment["category_id"], -1), key), 0)
            fp[segment["category_id"]] += key not in matched_predictions and ignored / areas[key] <= 0.5
    occurring = [k for k in {*tp, *fp, *fn} if tp[k] + fp[k] + fn[k] > 0]
    return 100 * float(np.mean([iou[k] / (tp[k] + fp[k] / 2 + fn[k] / 2) for k in occurring]))
