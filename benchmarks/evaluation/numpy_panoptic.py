"""Panoptic quality in plain NumPy after the paper, one image after the other: the peer of the benchmark."""

import json
from collections import defaultdict

import numpy as np
from PIL import Image

OFFSET = 1 << 24


def read_ids(path):
    """Ids (H, W) of a panoptic PNG."""
    colors = np.array(Image.open(path), dtype=np.int64)
    return colors[..., 0] + 256 * colors[..., 1] + 65536 * colors[..., 2]


def panoptic_quality(truth_file, found_file, truth_folder, found_folder):
    """The mean over categories that occur, in percent."""
    truth, found = (json.loads(file.read_text()) for file in (truth_file, found_file))
    by_image = {entry["image_id"]: entry for entry in found["annotations"]}
    iou, hits, wrong, missed = (defaultdict(float) for _ in range(4))
    for entry in truth["annotations"]:
        other = by_image[entry["image_id"]]
        ids, guess = read_ids(truth_folder / entry["file_name"]), read_ids(found_folder / other["file_name"])
        segments = {s["id"]: s for s in entry["segments_info"]}
        guesses = {s["id"]: s for s in other["segments_info"]}
        labels, counts = np.unique(guess, return_counts=True)
        areas = dict(zip(labels.tolist(), counts.tolist(), strict=True))
        pairs, counts = np.unique(ids * OFFSET + guess, return_counts=True)
        shared = {(pair // OFFSET, pair % OFFSET): n for pair, n in zip(pairs.tolist(), counts.tolist(), strict=True)}
        taken, used = set(), set()
        for (a, b), n in shared.items():
            if a not in segments or b not in guesses or segments[a].get("iscrowd"):
                continue
            category = segments[a]["category_id"]
            union = areas[b] + segments[a]["area"] - n - shared.get((0, b), 0)
            if category == guesses[b]["category_id"] and n / union > 0.5:
                iou[category] += n / union
                hits[category] += 1
                taken.add(a), used.add(b)
        crowds = {s["category_id"]: key for key, s in segments.items() if s.get("iscrowd")}
        for key, segment in segments.items():
            missed[segment["category_id"]] += key not in taken and not segment.get("iscrowd")
        for key, segment in guesses.items():
            free = shared.get((0, key), 0) + shared.get((crowds.get(segment["category_id"], -1), key), 0)
            wrong[segment["category_id"]] += key not in used and free / areas[key] <= 0.5
    occurring = [k for k in {*hits, *wrong, *missed} if hits[k] + wrong[k] + missed[k] > 0]
    return 100 * float(np.mean([iou[k] / (hits[k] + wrong[k] / 2 + missed[k] / 2) for k in occurring]))
