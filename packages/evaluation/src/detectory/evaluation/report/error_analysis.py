"""What a detector got right and wrong, detection by detection and object by object.

Source of the kinds of errors: Hoiem et al., "Diagnosing Error in Object Detectors", ECCV 2012; Bolya et al., "TIDE: A
General Toolbox for Identifying Object Detection Errors", ECCV 2020.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from detectory import ops
from detectory.evaluation.coco.ground_truth import CocoGroundTruth
from detectory.evaluation.coco.matching import CocoGroups, CocoObjects, group_by_image, match_groups
from detectory.evaluation.detections import Detections
from detectory.evaluation.run_lengths import RunLengths

KINDS = ("right", "ignored", "confusion", "duplicate", "localisation", "background")
RIGHT, IGNORED, CONFUSION, DUPLICATE, LOCALISATION, BACKGROUND = range(len(KINDS))
_ANY_AREA = [(0.0, 1e10)]
_NEAR = 0.1


@dataclass(frozen=True)
class CocoErrors:
    """N detections and M objects (annotations), each in its own order.

    Args:
        kinds: (N,) int, what each detection is, a position in `KINDS`: right (the best of its class on an object),
            ignored (on a crowd, or beyond 100 of its image and class), a confusion (on an object of another class), a
            duplicate (on an object that a better one found), badly localised (overlap from 0.1 to the threshold) or
            on background.
        overlaps: (N,) float64, the highest overlap with an object of its own class, for confusions with the other.
        partners: (N,) int, the annotation that this overlap is with, -1 for none.
        found_by: (M,) int, the detection that found each object, -1 for none.
        crowd: (M,) bool; crowds are never missed.
        objects: The annotations as columns.
        threshold: The overlap that finds an object.
    """

    kinds: np.ndarray
    overlaps: np.ndarray
    partners: np.ndarray
    found_by: np.ndarray
    crowd: np.ndarray
    objects: CocoObjects
    threshold: float

    def missed(self, scores: np.ndarray, least: float) -> np.ndarray:
        """(M,) bool: objects that no right detection of at least this score found."""
        found = self.found_by >= 0
        found[found] = scores[self.found_by[found]] >= least
        return ~found & ~self.crowd


def find_errors(truth: CocoGroundTruth, found: Detections, iou_type: str, threshold: float = 0.5) -> CocoErrors:
    """Sort out every detection and every object.

    Args:
        truth: The ground truth.
        found: Detections whose categories are those of the ground truth.
        iou_type: "bbox", or "segm" for overlaps of masks.
        threshold: The overlap, from 0 to 1, that finds an object.
    """
    objects = CocoObjects.of(truth)
    shapes = shapes_of(truth, objects, found, iou_type)
    by_class = group_by_image(truth, objects, found, 100)
    sizes = np.zeros(len(by_class.found))
    overlaps = torch.from_numpy(_overlaps(by_class, objects, shapes))
    match, ignored, _, _ = match_groups(by_class, overlaps, [threshold], _ANY_AREA, sizes, objects)
    matched, left_out = match[0, 0], ignored[0, 0]
    kinds = np.full(len(found), IGNORED)
    found_by = np.full(len(objects.areas), -1)
    right = (matched >= 0) & ~left_out
    kinds[by_class.found] = np.where(left_out, IGNORED, np.where(right, RIGHT, BACKGROUND))
    found_by[by_class.objects[matched[right]]] = by_class.found[right]

    by_image = group_by_image(truth, objects, found, max(len(found), 1), by_category=False)
    rows, columns = _pairs(by_image)
    values = _overlaps(by_image, objects, shapes)
    same = found.categories[rows] == objects.categories[columns]
    own, own_partner = _best_of_rows(len(found), rows, columns, np.where(same, values, 0))
    real = ~same & ~objects.crowd[columns]
    other, other_partner = _best_of_rows(len(found), rows, columns, np.where(real, values, 0))
    wrong = kinds == BACKGROUND
    kinds[wrong & (own >= _NEAR)] = LOCALISATION
    kinds[wrong & (own >= threshold)] = DUPLICATE
    confused = wrong & (own < threshold) & (other >= threshold)
    kinds[confused] = CONFUSION
    partners, overlap = np.where(confused, other_partner, own_partner), np.where(confused, other, own)
    is_right = np.flatnonzero(found_by >= 0)
    partners[found_by[is_right]] = is_right
    return CocoErrors(kinds, overlap, partners, found_by, objects.crowd, objects, threshold)


def best_threshold(errors: CocoErrors, scores: np.ndarray) -> float:
    """The score at which right and wrong balance best: the highest F1 of precision and recall over all classes."""
    counts = errors.kinds != IGNORED
    order = np.argsort(-scores[counts], kind="stable")
    right = np.cumsum(errors.kinds[counts][order] == RIGHT)
    if not len(order) or not right[-1]:
        return 0.5
    f1 = 2 * right / (np.arange(1, len(order) + 1) + (~errors.crowd).sum())
    return float(scores[counts][order][f1.argmax()])


def confusion_counts(truth: CocoGroundTruth, found: Detections, errors: CocoErrors, least: float) -> np.ndarray:
    """Objects by class (rows) and what they were taken for (columns): (K + 1, K + 1) int64.

    The last column counts missed objects, the last row detections on nothing. Detections below the score `least` do
    not count.
    """
    position = {category: index for index, category in enumerate(truth.category_names)}
    nothing = len(position)
    matrix = np.zeros((nothing + 1, nothing + 1), dtype=np.int64)
    counts = found.scores >= least
    named = np.array([position[c] for c in found.categories.tolist()], dtype=np.int64)
    true = np.array([position.get(c, nothing) for c in errors.objects.categories.tolist()], dtype=np.int64)
    right, confused = counts & (errors.kinds == RIGHT), counts & (errors.kinds == CONFUSION)
    stray = counts & np.isin(errors.kinds, (DUPLICATE, LOCALISATION, BACKGROUND))
    np.add.at(matrix, (named[right], named[right]), 1)
    # An object counts once: what was found is not confused, and of several confusions the best counts.
    lost = errors.missed(found.scores, least)
    best = np.flatnonzero(confused)[np.argsort(-found.scores[confused], kind="stable")]
    first = best[np.unique(errors.partners[best], return_index=True)[1]]
    first = first[lost[errors.partners[first]]]
    np.add.at(matrix, (true[errors.partners[first]], named[first]), 1)
    lost[errors.partners[first]] = False
    np.add.at(matrix, (true[lost], nothing), 1)
    extra = np.setdiff1d(np.flatnonzero(confused), first)
    np.add.at(matrix, (nothing, named[np.concatenate([np.flatnonzero(stray), extra])]), 1)
    return matrix


def shapes_of(truth: CocoGroundTruth, objects: CocoObjects, found: Detections, iou_type: str) -> Any:
    """What overlaps are measured between: (boxes, boxes), or two lists of RLEs; detections first."""
    if iou_type == "segm":
        return found.masks or RunLengths.of(()), object_masks(truth)
    boxes = found.boxes
    if boxes is None and found.masks is not None:
        boxes = found.masks.boxes()
    if boxes is None:
        raise ValueError("find_errors: the detections have neither boxes nor masks")
    return np.asarray(boxes, dtype=np.float64), objects.boxes


def object_masks(truth: CocoGroundTruth) -> list[Mapping[str, Any]]:
    """The masks of all annotations as RLEs with compressed counts; an annotation without one has an empty mask."""
    sizes = truth.image_sizes
    masks: list[Any] = []
    polygons, places = [], []
    for place, entry in enumerate(truth.dataset["annotations"]):
        segmentation, size = entry.get("segmentation") or [], sizes[entry["image_id"]]
        if isinstance(segmentation, Mapping):
            is_compressed = not isinstance(segmentation["counts"], list)
            masks.append(segmentation if is_compressed else ops.rle_merge([segmentation]))
        else:
            masks.append(None)
            polygons.append([p for p in segmentation if len(p) >= 6])
            places.append((place, size))
    rasterised = ops.polygon_sets_to_rles(polygons, [size for _, size in places])
    for (place, _), mask in zip(places, rasterised, strict=True):
        masks[place] = mask
    return masks


def _overlaps(groups: CocoGroups, objects: CocoObjects, shapes: Any) -> np.ndarray:
    """Overlaps of all pairs of detections and objects that share a group, in the groups' order."""
    found, true = shapes
    starts = torch.from_numpy(groups.found_starts), torch.from_numpy(groups.object_starts)
    crowd = torch.from_numpy(objects.crowd[groups.objects])
    if isinstance(found, np.ndarray):
        one, other = (torch.from_numpy(b[i]) for b, i in ((found, groups.found), (true, groups.objects)))
        return ops.grouped_box_iou(one, other, crowd, *starts).numpy()
    chosen = [found[i] for i in groups.found.tolist()], [true[i] for i in groups.objects.tolist()]
    return ops.grouped_rle_iou(*chosen, crowd, *starts).numpy()


def _pairs(groups: CocoGroups) -> tuple[np.ndarray, np.ndarray]:
    """For each pair that shares a group the detection and the object, in the order of the overlaps."""
    found, objects = np.diff(groups.found_starts), np.diff(groups.object_starts)
    per_found = np.repeat(objects, found)  # (D,) pairs of each detection
    rows = np.repeat(groups.found, per_found)
    first = np.repeat(np.repeat(groups.object_starts[:-1], found), per_found)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(per_found) - per_found, per_found)
    return rows, groups.objects[first + within]


def _best_of_rows(
    count: int, rows: np.ndarray, columns: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The highest value of each row and its column, the first of equals; 0 and -1 for rows without a value above 0."""
    order = np.lexsort((-values, rows))
    order = order[values[order] > 0]
    first = order[np.unique(rows[order], return_index=True)[1]]
    best, partner = np.zeros(count), np.full(count, -1)
    best[rows[first]], partner[rows[first]] = values[first], columns[first]
    return best, partner
