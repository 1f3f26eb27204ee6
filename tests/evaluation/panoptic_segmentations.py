"""Random panoptic segmentations and a slow computation of panoptic quality."""

import json
import math

import numpy as np
from PIL import Image

from detectory.structures import ids_to_rgb

CATEGORIES = [
    {"id": 2, "name": "cat", "isthing": 1},
    {"id": 5, "name": "dog", "isthing": 1},
    {"id": 7, "name": "sky", "isthing": 0},
]


def random_segmentation(rng, crowds):
    """Segment ids of overlapping rectangles, 0 for no segment, and their descriptions."""
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
    """Ground truths and predictions, which are often similar."""
    rng = np.random.default_rng(seed)
    ground_truths, predictions = [], []
    for _ in range(images):
        ids, segments = random_segmentation(rng, crowds=True)
        ground_truths.append((ids, segments))
        if rng.random() < 0.7:
            moved = np.roll(ids, rng.integers(-2, 3, 2), axis=(0, 1))
            kept = [s | {"category_id": int(rng.choice([s["category_id"]] * 4 + [2, 5]))} for s in segments]
            predictions.append((moved, [{k: s[k] for k in ("id", "category_id")} for s in kept]))
        else:
            predictions.append(random_segmentation(rng, crowds=False))
    return ground_truths, predictions


def slow_panoptic_quality(ground_truths, predictions):
    """Sum of IoU, true positives, false positives and false negatives per category, one pair of segments at a time."""
    sums = {c["id"]: [0.0, 0, 0, 0] for c in CATEGORIES}
    for (ids, segments), (predicted_ids, predicted_segments) in zip(ground_truths, predictions, strict=True):
        matched, matched_predictions = set(), set()
        for segment in segments:
            for prediction in predicted_segments:
                if segment["category_id"] != prediction["category_id"] or segment["iscrowd"]:
                    continue
                a, b = ids == segment["id"], predicted_ids == prediction["id"]
                union = (a | b).sum() - (b & (ids == 0)).sum()
                if (a & b).sum() / union > 0.5:
                    matched.add(segment["id"]), matched_predictions.add(prediction["id"])
                    sums[segment["category_id"]][0] += (a & b).sum() / union
                    sums[segment["category_id"]][1] += 1
        for segment in segments:
            sums[segment["category_id"]][3] += segment["id"] not in matched and not segment["iscrowd"]
        for prediction in predicted_segments:
            area = predicted_ids == prediction["id"]
            crowds = [s["id"] for s in segments if s["iscrowd"] and s["category_id"] == prediction["category_id"]]
            is_ignored = (area & ((ids == 0) | np.isin(ids, crowds[-1:]))).sum() / area.sum() > 0.5
            sums[prediction["category_id"]][2] += prediction["id"] not in matched_predictions and not is_ignored
    return sums


def metrics_of(sums, keep):
    """PQ, SQ and RQ of the categories that `keep` accepts, in percent."""
    kept = [sums[c["id"]] for c in CATEGORIES if keep(c)]
    occurring = [s for s in kept if s[1] + s[2] + s[3] > 0]
    pq = [iou / (tp + fp / 2 + fn / 2) for iou, tp, fp, fn in occurring]
    sq = [iou / tp if tp else 0 for iou, tp, fp, fn in occurring]
    rq = [tp / (tp + fp / 2 + fn / 2) for iou, tp, fp, fn in occurring]
    return [100 * float(np.mean(v)) if v else math.nan for v in (pq, sq, rq)]


def save(folder, segmentations, categories):
    """Write a JSON file and PNG files; return the path of the file and the folder of the PNG files."""
    (folder / "png").mkdir(parents=True)
    annotations = []
    for image, (ids, segments) in enumerate(segmentations, start=1):
        Image.fromarray(ids_to_rgb(ids)).save(folder / "png" / f"{image}.png")
        annotations.append({"image_id": image, "file_name": f"{image}.png", "segments_info": segments})
    images = [
        {"id": image + 1, "height": 24, "width": 32, "file_name": f"{image + 1}.jpg"}
        for image in range(len(segmentations))
    ]
    contents = {"annotations": annotations, "images": images, "categories": categories}
    (folder / "all.json").write_text(json.dumps(contents))
    return folder / "all.json", folder / "png"


def contiguous(segments):
    """Segments with contiguous category ids and `isthing`, as models return them."""
    known = {2: 0, 5: 1, 7: 2}
    return [s | {"category_id": known[s["category_id"]], "isthing": s["category_id"] != 7} for s in segments]
