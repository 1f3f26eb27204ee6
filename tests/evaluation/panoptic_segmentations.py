"""Random panoptic segmentations and a slow computation of panoptic quality."""

import json
import math

import numpy as np
from PIL import Image

from detectory.evaluation.panoptic.evaluator import ids_to_rgb

CATEGORIES = [
    {"id": 2, "name": "cat", "isthing": 1},
    {"id": 5, "name": "dog", "isthing": 1},
    {"id": 7, "name": "sky", "isthing": 0},
]


def random_picture(rng, crowds):
    """Ids of rectangles over one another (0 where nothing lies), and what they are."""
    ids, segments = np.zeros((24, 32), np.int64), []
    for number in rng.permutation(60000)[: rng.integers(0, 7)] + 1:
        y, x = rng.integers(0, 20), rng.integers(0, 28)
        ids[y : y + rng.integers(2, 20), x : x + rng.integers(2, 24)] = number
    for number in np.unique(ids[ids > 0]).tolist():
        category = int(rng.choice([2, 5, 7]))
        segment = {"id": number, "category_id": category, "area": int((ids == number).sum())}
        segments.append(segment | ({"iscrowd": int(rng.random() < 0.25)} if crowds else {}))
    return ids, segments


def random_pair(seed, images=4):
    """Ground truths and predictions that often share their segments."""
    rng = np.random.default_rng(seed)
    truths, predictions = [], []
    for _ in range(images):
        ids, segments = random_picture(rng, crowds=True)
        truths.append((ids, segments))
        if rng.random() < 0.7:
            moved = np.roll(ids, rng.integers(-2, 3, 2), axis=(0, 1))
            kept = [s | {"category_id": int(rng.choice([s["category_id"]] * 4 + [2, 5]))} for s in segments]
            predictions.append((moved, [{k: s[k] for k in ("id", "category_id")} for s in kept]))
        else:
            predictions.append(random_picture(rng, crowds=False))
    return truths, predictions


def slow_panoptic_quality(truths, predictions):
    """Sums of IoU, true positives, false positives and misses by category, segment by segment."""
    sums = {c["id"]: [0.0, 0, 0, 0] for c in CATEGORIES}
    for (ids, segments), (found, found_segments) in zip(truths, predictions, strict=True):
        matched_truth, matched_found = set(), set()
        for truth in segments:
            for guess in found_segments:
                if truth["category_id"] != guess["category_id"] or truth["iscrowd"]:
                    continue
                a, b = ids == truth["id"], found == guess["id"]
                union = (a | b).sum() - (b & (ids == 0)).sum()
                if (a & b).sum() / union > 0.5:
                    matched_truth.add(truth["id"]), matched_found.add(guess["id"])
                    sums[truth["category_id"]][0] += (a & b).sum() / union
                    sums[truth["category_id"]][1] += 1
        for truth in segments:
            sums[truth["category_id"]][3] += truth["id"] not in matched_truth and not truth["iscrowd"]
        for guess in found_segments:
            area = found == guess["id"]
            crowds = [s["id"] for s in segments if s["iscrowd"] and s["category_id"] == guess["category_id"]]
            free = (area & ((ids == 0) | np.isin(ids, crowds[-1:]))).sum() / area.sum() > 0.5
            sums[guess["category_id"]][2] += guess["id"] not in matched_found and not free
    return sums


def figures_of(sums, keep):
    chosen = [sums[c["id"]] for c in CATEGORIES if keep(c)]
    occurring = [s for s in chosen if s[1] + s[2] + s[3] > 0]
    pq = [iou / (tp + fp / 2 + fn / 2) for iou, tp, fp, fn in occurring]
    sq = [iou / tp if tp else 0 for iou, tp, fp, fn in occurring]
    rq = [tp / (tp + fp / 2 + fn / 2) for iou, tp, fp, fn in occurring]
    return [100 * float(np.mean(v)) if v else math.nan for v in (pq, sq, rq)]


def save(folder, pictures, categories):
    (folder / "png").mkdir(parents=True)
    annotations = []
    for image, (ids, segments) in enumerate(pictures, start=1):
        Image.fromarray(ids_to_rgb(ids)).save(folder / "png" / f"{image}.png")
        annotations.append({"image_id": image, "file_name": f"{image}.png", "segments_info": segments})
    images = [
        {"id": image + 1, "height": 24, "width": 32, "file_name": f"{image + 1}.jpg"} for image in range(len(pictures))
    ]
    contents = {"annotations": annotations, "images": images, "categories": categories}
    (folder / "all.json").write_text(json.dumps(contents))
    return folder / "all.json", folder / "png"


def contiguous(segments):
    known = {2: 0, 5: 1, 7: 2}
    return [s | {"category_id": known[s["category_id"]], "isthing": s["category_id"] != 7} for s in segments]
