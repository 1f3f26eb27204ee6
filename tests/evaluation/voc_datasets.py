"""Random Pascal VOC boxes, annotation files, and a slow matching over sets of pixels."""

import numpy as np

from detectory.evaluation.pascal_voc import (
    VocObjects,
)


def pixels(box):
    """Set of pixels of a box with inclusive corners."""
    x1, y1, x2, y2 = (int(v) for v in box)
    return {(x, y) for x in range(x1, x2 + 1) for y in range(y1, y2 + 1)}


def slow_outcomes(ground_truth, detections, threshold):
    """Outcome of each detection in falling order of score: True if correct, False if false, None if ignored."""
    taken, outcomes = set(), []
    for image, _, box in sorted(detections, key=lambda d: -d[1]):
        best, best_iou = None, 0.0
        for index, other in enumerate(ground_truth[image].boxes if image in ground_truth else []):
            a, b = pixels(box), pixels(other)
            iou = len(a & b) / len(a | b)
            if best is None or iou > best_iou:
                best, best_iou = index, iou
        if best is None or not best_iou > threshold:
            outcomes.append(False)
        elif ground_truth[image].difficult[best]:
            outcomes.append(None)
        else:
            outcomes.append((image, best) not in taken)
            taken.add((image, best))
    return outcomes


def random_boxes(rng, count):
    corners = rng.integers(1, 12, (count, 2))
    return np.concatenate([corners, corners + rng.integers(0, 9, (count, 2))], axis=1).astype(float)


def random_voc(seed):
    """Ground truth and detections by image, and the detections as (image, score, box)."""
    rng = np.random.default_rng(seed)
    ground_truth, detections, rows = {}, {}, []
    for image in "abcd":
        objects = random_boxes(rng, rng.integers(0, 4))
        ground_truth[image] = VocObjects(objects, rng.random(len(objects)) < 0.3)
        near = [box + rng.integers(-1, 2) for box in objects for _ in range(rng.integers(0, 3))]
        boxes = np.concatenate([random_boxes(rng, rng.integers(0, 3)), *[b[None] for b in near]])
        scores = rng.permutation(1000)[: len(boxes)] / 1000 + rng.random() / 1e6
        detections[image] = np.column_stack([np.zeros(len(boxes)), scores, boxes])
        rows += list(zip([image] * len(boxes), scores.tolist(), boxes, strict=True))
    return ground_truth, detections, rows


def voc_file(objects):
    """Annotation file of (class, difficult, box)."""
    inner = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{b[0]}</xmin><ymin>{b[1]}</ymin>"
        f"<xmax>{b[2]}</xmax><ymax>{b[3]}</ymax></bndbox></object>"
        for name, difficult, b in objects
    )
    return f"<annotation>{inner}</annotation>"
