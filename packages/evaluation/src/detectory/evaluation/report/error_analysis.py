"""Error analysis of a detector: the outcome of each detection and of each object, and the confusion matrix.

Source of the error types: Hoiem et al., "Diagnosing Error in Object Detectors", ECCV 2012; Bolya et al., "TIDE: A
General Toolbox for Identifying Object Detection Errors", ECCV 2020.
"""

from dataclasses import dataclass

import numpy as np
import torch

from detectory.evaluation.coco.ground_truth import CocoGroundTruth
from detectory.evaluation.coco.matching import CocoGroups, CocoObjects, group_by_image, match_groups
from detectory.evaluation.detections import Detections

from .shapes import Shapes, grouped_iou, shapes_of

OUTCOMES = ("correct", "ignored", "confusion", "duplicate", "localisation", "background")
"""Outcomes of a detection.

- correct: matches an object of its class.
- ignored: on a crowd region, or not among the 100 highest scores of its image and class.
- confusion: overlaps an object of another class with an IoU above the threshold.
- duplicate: overlaps an object that a detection of the same class with a higher score matches.
- localisation: overlaps an object of its class with an IoU between 0.1 and the threshold.
- background: any other detection.
"""

CORRECT, IGNORED, CONFUSION, DUPLICATE, LOCALISATION, BACKGROUND = range(len(OUTCOMES))

_ALL_AREAS = [(0.0, 1e10)]
_MAX_DETECTIONS = 100
_MIN_LOCALISATION_IOU = 0.1


@dataclass(frozen=True)
class ErrorAnalysis:
    """Outcomes of N detections and M objects (annotations), in their original order.

    Args:
        outcomes: (N,) int, indices into `OUTCOMES`.
        ious: (N,) float64, the highest IoU with an object of the same class; for confusions, with an object of another
            class.
        matched_objects: (N,) int, index of the object with this IoU, -1 if there is no overlap.
        matched_detections: (M,) int, index of the correct detection of each object, -1 for missed objects.
        crowd: (M,) bool, whether the object is a crowd region. Crowd regions are never missed.
        objects: The annotations.
        iou_threshold: IoU threshold of a match.
    """

    outcomes: np.ndarray
    ious: np.ndarray
    matched_objects: np.ndarray
    matched_detections: np.ndarray
    crowd: np.ndarray
    objects: CocoObjects
    iou_threshold: float

    def is_missed(self, scores: np.ndarray, score_threshold: float) -> np.ndarray:
        """Return a mask (M,) bool of the objects without a correct detection of at least this score."""
        is_detected = self.matched_detections >= 0
        is_detected[is_detected] = scores[self.matched_detections[is_detected]] >= score_threshold
        return ~is_detected & ~self.crowd

    def is_error(self) -> np.ndarray:
        """Return a mask (N,) bool of the detections that are neither correct nor ignored."""
        return ~np.isin(self.outcomes, (CORRECT, IGNORED))


def find_errors(
    ground_truth: CocoGroundTruth, detections: Detections, iou_type: str, iou_threshold: float = 0.5
) -> ErrorAnalysis:
    """Determine the outcome of every detection and every object.

    Args:
        ground_truth: The ground truth.
        detections: Detections with category ids of the ground truth.
        iou_type: "bbox", or "segm" for the IoU of masks.
        iou_threshold: IoU threshold of a match, in [0, 1].
    """
    objects = CocoObjects.from_ground_truth(ground_truth)
    shapes = shapes_of(ground_truth, objects, detections, iou_type)
    outcomes, matched_detections = _match_by_class(ground_truth, objects, detections, shapes, iou_threshold)

    # The detections without a match: compare them with the objects of all classes in their image.
    by_image = group_by_image(ground_truth, objects, detections, max(len(detections), 1), by_category=False)
    rows, columns = _pairs(by_image)
    ious = grouped_iou(by_image, objects, shapes)
    is_same_class = detections.categories[rows] == objects.categories[columns]
    own_iou, own_object = _row_maxima(len(detections), rows, columns, np.where(is_same_class, ious, 0))
    is_other_class = ~is_same_class & ~objects.crowd[columns]
    other_iou, other_object = _row_maxima(len(detections), rows, columns, np.where(is_other_class, ious, 0))
    is_unmatched = outcomes == BACKGROUND
    is_confusion = is_unmatched & (own_iou < iou_threshold) & (other_iou >= iou_threshold)
    outcomes[is_unmatched & (own_iou >= _MIN_LOCALISATION_IOU)] = LOCALISATION
    outcomes[is_unmatched & (own_iou >= iou_threshold)] = DUPLICATE
    outcomes[is_confusion] = CONFUSION

    matched_objects = np.where(is_confusion, other_object, own_object)
    # A correct detection belongs to the object that it was matched to, even if its IoU with another one is higher.
    is_detected = np.flatnonzero(matched_detections >= 0)
    matched_objects[matched_detections[is_detected]] = is_detected
    return ErrorAnalysis(
        outcomes,
        np.where(is_confusion, other_iou, own_iou),
        matched_objects,
        matched_detections,
        objects.crowd,
        objects,
        iou_threshold,
    )


def best_f1_threshold(errors: ErrorAnalysis, scores: np.ndarray) -> float:
    """Return the score threshold with the highest F1 over all classes; 0.5 without a correct detection."""
    counts = errors.outcomes != IGNORED
    order = np.argsort(-scores[counts], kind="stable")
    tp = np.cumsum(errors.outcomes[counts][order] == CORRECT)
    if not len(order) or not tp[-1]:
        return 0.5
    f1 = 2 * tp / (np.arange(1, len(order) + 1) + (~errors.crowd).sum())
    return float(scores[counts][order][f1.argmax()])


def confusion_matrix(
    ground_truth: CocoGroundTruth, detections: Detections, errors: ErrorAnalysis, score_threshold: float
) -> np.ndarray:
    """Count objects by true class (rows) and predicted class (columns).

    Each object counts once: as correct, else by its confusion with the highest score, else as missed.

    Args:
        ground_truth: The ground truth.
        detections: The detections.
        errors: The outcomes of the detections.
        score_threshold: Detections with lower scores do not count.

    Returns:
        (K + 1, K + 1) int64. The last column counts missed objects, the last row detections without an object.
    """
    class_index = {category: index for index, category in enumerate(ground_truth.category_names)}
    none = len(class_index)
    predicted = np.array([class_index[c] for c in detections.categories.tolist()], dtype=np.int64)
    true = np.array([class_index.get(c, none) for c in errors.objects.categories.tolist()], dtype=np.int64)
    is_counted = detections.scores >= score_threshold
    is_correct = is_counted & (errors.outcomes == CORRECT)
    is_confusion = is_counted & (errors.outcomes == CONFUSION)
    has_no_object = is_counted & np.isin(errors.outcomes, (DUPLICATE, LOCALISATION, BACKGROUND))
    is_missed = errors.is_missed(detections.scores, score_threshold)

    by_score = np.flatnonzero(is_confusion)[np.argsort(-detections.scores[is_confusion], kind="stable")]
    first_of_object = by_score[np.unique(errors.matched_objects[by_score], return_index=True)[1]]
    confusions = first_of_object[is_missed[errors.matched_objects[first_of_object]]]
    confused_objects = errors.matched_objects[confusions]
    is_missed[confused_objects] = False
    extra_confusions = np.setdiff1d(np.flatnonzero(is_confusion), confusions)

    matrix = np.zeros((none + 1, none + 1), dtype=np.int64)
    np.add.at(matrix, (predicted[is_correct], predicted[is_correct]), 1)
    np.add.at(matrix, (true[confused_objects], predicted[confusions]), 1)
    np.add.at(matrix, (true[is_missed], none), 1)
    np.add.at(matrix, (none, predicted[np.concatenate([np.flatnonzero(has_no_object), extra_confusions])]), 1)
    return matrix


def _match_by_class(
    ground_truth: CocoGroundTruth,
    objects: CocoObjects,
    detections: Detections,
    shapes: Shapes,
    iou_threshold: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Match by COCO's rules: outcomes (N,), BACKGROUND for unmatched detections, and matched detections (M,)."""
    groups = group_by_image(ground_truth, objects, detections, _MAX_DETECTIONS)
    ious = torch.from_numpy(grouped_iou(groups, objects, shapes))
    areas = np.zeros(len(groups.detections))  # inside the only area range
    matches = match_groups(groups, ious, [iou_threshold], _ALL_AREAS, areas, objects)
    matched, is_ignored = matches.detection_matches[0, 0], matches.detection_ignored[0, 0]
    is_correct = (matched >= 0) & ~is_ignored
    outcomes = np.full(len(detections), IGNORED)
    outcomes[groups.detections] = np.where(is_ignored, IGNORED, np.where(is_correct, CORRECT, BACKGROUND))
    matched_detections = np.full(len(objects.areas), -1)
    matched_detections[groups.objects[matched[is_correct]]] = groups.detections[is_correct]
    return outcomes, matched_detections


def _pairs(groups: CocoGroups) -> tuple[np.ndarray, np.ndarray]:
    """Detection and object of each pair in the same group, in the order of `grouped_iou`."""
    num_detections, num_objects = np.diff(groups.detection_starts), np.diff(groups.object_starts)
    pairs_per_detection = np.repeat(num_objects, num_detections)  # (D,)
    rows = np.repeat(groups.detections, pairs_per_detection)
    first_object = np.repeat(np.repeat(groups.object_starts[:-1], num_detections), pairs_per_detection)
    first_pair = np.repeat(np.cumsum(pairs_per_detection) - pairs_per_detection, pairs_per_detection)
    return rows, groups.objects[first_object + np.arange(len(rows)) - first_pair]


def _row_maxima(
    num_rows: int, rows: np.ndarray, columns: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Highest value of each row and its column, the first in a tie; 0 and -1 for rows without a positive value."""
    order = np.lexsort((-values, rows))
    order = order[values[order] > 0]
    first = order[np.unique(rows[order], return_index=True)[1]]
    maxima, argmax = np.zeros(num_rows), np.full(num_rows, -1)
    maxima[rows[first]], argmax[rows[first]] = values[first], columns[first]
    return maxima, argmax
