"""Pictures of what a detector got wrong: tiles around single errors, and whole pictures with many of them."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from detectory import ops
from detectory.data.images import read_image
from detectory.evaluation.coco.ground_truth import CocoGroundTruth
from detectory.evaluation.detections import Detections
from detectory.visualization import Visualizer
from detectory.visualization.html import GalleryItem

from .error_analysis import IGNORED, KINDS, RIGHT, CocoErrors
from .image_files import ImageFiles

GREEN, RED, AMBER = (0.09, 0.65, 0.45), (0.89, 0.34, 0.18), (0.95, 0.66, 0.0)
_TILE, _WHOLE = 420, 720
_OF_ONE_IMAGE = 2


class ErrorGallery:
    """Draws errors.

    Args:
        truth, found, errors: The ground truth, the detections and what became of each.
        boxes: (N, 4) of the detections as (x, y, width, height).
        masks: RLEs of the detections and of the objects, or None.
        files: Where the pictures are.
        least: Detections of a lower score do not count.
    """

    def __init__(
        self,
        truth: CocoGroundTruth,
        found: Detections,
        errors: CocoErrors,
        boxes: np.ndarray,
        masks: tuple[Any, Any] | None,
        files: ImageFiles,
        least: float,
    ) -> None:
        self.found, self.errors, self.files, self.least = found, errors, files, least
        self._boxes, self._masks = boxes, masks
        self._names = truth.category_names
        self._missed = errors.missed(found.scores, least)

    def chosen(self, per_kind: int) -> Iterator[tuple[str, int | None, int | None]]:
        """The errors that are shown: kind, detection and object; of each kind the surest, missed objects by size."""
        found, errors = self.found, self.errors
        for kind, name in enumerate(KINDS):
            if kind in (RIGHT, IGNORED):
                continue
            wrong = np.flatnonzero((errors.kinds == kind) & (found.scores >= self.least))
            wrong = wrong[np.argsort(-found.scores[wrong], kind="stable")]
            for index in self._varied(wrong, found.image_ids, per_kind):
                partner = int(errors.partners[index])
                yield name, index, partner if partner >= 0 else None
        missed = np.flatnonzero(self._missed)
        missed = missed[np.argsort(-errors.objects.areas[missed], kind="stable")]
        for index in self._varied(missed, errors.objects.image_ids, per_kind):
            yield "missed", None, index

    def tiles(self, per_kind: int = 16) -> Iterator[GalleryItem]:
        """One tile for each error whose picture is there."""
        for kind, detection, target in self.chosen(per_kind):
            image_id = self._image_of(detection, target)
            path = self.files.find(image_id)
            if path is not None:
                yield GalleryItem(self._tile(path, detection, target), *self.describe(kind, detection, target))

    def describe(self, kind: str, detection: int | None, target: int | None) -> tuple[str, dict[str, str | float]]:
        """The caption and the sort keys of one error."""
        keys: dict[str, str | float] = {"kind": kind}
        image = self.files.name(self._image_of(detection, target))
        true = self._class_of(target)
        if detection is None:
            area = float(self.errors.objects.areas[target])
            keys |= {"class": true, "score": 0.0, "size": round(area**0.5)}
            return f"missed {true}, {round(area**0.5)} px · {image}", keys
        label, score = self._names[int(self.found.categories[detection])], float(self.found.scores[detection])
        size = round(float(np.prod(self._boxes[detection, 2:])) ** 0.5)
        keys |= {"class": label, "score": round(score, 3), "size": size}
        where = {"confusion": f"on {true}", "duplicate": f"again on {true}", "localisation": f"badly on {true}"}
        overlap = f", IoU {self.errors.overlaps[detection]:.2f}" if kind in where else ""
        return f"{label} {score:.2f} {where.get(kind, 'on background')}{overlap} · {image}", keys

    def worst_images(self, count: int = 12) -> list[dict[str, Any]]:
        """The images with the most errors: image id, objects, and how many are right, wrong and missed."""
        ids, at = np.unique(
            np.concatenate([self.found.image_ids.astype(object), self.errors.objects.image_ids]), return_inverse=True
        )
        here, there = at[: len(self.found)], at[len(self.found) :]
        counts = self.found.scores >= self.least
        right = np.bincount(here[counts & (self.errors.kinds == RIGHT)], minlength=len(ids))
        wrong = np.bincount(here[counts & ~np.isin(self.errors.kinds, (RIGHT, IGNORED))], minlength=len(ids))
        missed = np.bincount(there[self._missed], minlength=len(ids))
        objects = np.bincount(there[~self.errors.crowd], minlength=len(ids))
        order = np.argsort(-(wrong + missed), kind="stable")[:count]
        rows = zip(ids[order].tolist(), *(c[order].tolist() for c in (objects, right, wrong, missed)), strict=True)
        names = ("image_id", "objects", "right", "wrong", "missed")
        return [dict(zip(names, row, strict=True)) for row in rows if row[3] + row[4]]

    def whole(self, image_id: Any) -> np.ndarray | None:
        """A whole picture: right detections green, wrong ones red, missed objects amber; None without a picture."""
        path = self.files.find(image_id)
        if path is None:
            return None
        picture = read_image(str(path), format="RGB")
        shown = (self.found.image_ids == image_id) & (self.found.scores >= self.least)
        rows = np.flatnonzero(shown & (self.errors.kinds != IGNORED))
        missed = np.flatnonzero((self.errors.objects.image_ids == image_id) & self._missed)
        right = self.errors.kinds[rows] == RIGHT
        boxes = [_corners(box) for box in (*self._boxes[rows], *self.errors.objects.boxes[missed])]
        labels = [f"{self._names[int(self.found.categories[r])]} {self.found.scores[r]:.2f}" for r in rows]
        labels += [f"missed {self._class_of(m)}" for m in missed.tolist()]
        colors = [GREEN if good else RED for good in right] + [AMBER] * len(missed)
        return _drawn(picture, _WHOLE / max(picture.shape[:2]), boxes, labels, colors, None, 1.0)

    def _tile(self, path: Path, detection: int | None, target: int | None) -> np.ndarray:
        picture = read_image(str(path), format="RGB")
        boxes, labels, colors, masks = [], [], [], []
        if target is not None:
            boxes.append(_corners(self.errors.objects.boxes[target]))
            labels.append(self._class_of(target))
            colors.append(AMBER if detection is None else GREEN)
            masks += [self._masks[1][target]] if self._masks else []
        if detection is not None:
            boxes.append(_corners(self._boxes[detection]))
            labels.append(f"{self._names[int(self.found.categories[detection])]} {self.found.scores[detection]:.2f}")
            colors.append(RED)
            masks += [self._masks[0][detection]] if self._masks else []
        x0, y0, x1, y1 = _window(np.array(boxes), picture.shape[:2])
        cut = picture[y0:y1, x0:x1]
        inside = [box - np.array([x0, y0, x0, y0]) for box in boxes]
        decoded = [ops.rle_decode(mask).numpy()[y0:y1, x0:x1] for mask in masks]
        return _drawn(cut, _TILE / max(cut.shape[:2]), inside, labels, colors, decoded or None, 1.4)

    def _varied(self, order: np.ndarray, image_ids: np.ndarray, count: int) -> list[int]:
        """The first of an order, at most two of one image."""
        seen: dict[Any, int] = {}
        kept = []
        for index in order.tolist():
            image = image_ids[index]
            seen[image] = seen.get(image, 0) + 1
            if seen[image] <= _OF_ONE_IMAGE:
                kept.append(index)
            if len(kept) == count:
                break
        return kept

    def _image_of(self, detection: int | None, target: int | None) -> Any:
        return self.errors.objects.image_ids[target] if detection is None else self.found.image_ids[detection]

    def _class_of(self, target: int | None) -> str:
        return "" if target is None else self._names[int(self.errors.objects.categories[target])]


def _corners(box: np.ndarray) -> np.ndarray:
    x, y, width, height = box
    return np.array([x, y, x + width, y + height])


def _window(boxes: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A window around boxes with their surroundings, at least 96 pixels wide and at most 2:1."""
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    middle, extent = (low + high) / 2, np.maximum((high - low) * 1.6, 96)
    extent = np.maximum(extent, extent.max() / 1.34)
    first = np.clip(np.floor(middle - extent / 2), 0, np.array(size[::-1]) - 1).astype(int)
    last = np.clip(np.ceil(middle + extent / 2), first + 1, np.array(size[::-1])).astype(int)
    return int(first[0]), int(first[1]), int(last[0]), int(last[1])


def _drawn(
    picture: np.ndarray,
    scale: float,
    boxes: list[np.ndarray],
    labels: list[str],
    colors: list[Any],
    masks: Any,
    font_size: float,
) -> np.ndarray:
    visualizer = Visualizer(picture, SimpleNamespace(), scale=scale, font_size_scale=font_size)
    return visualizer.overlay_instances(
        boxes=np.array(boxes).reshape(-1, 4), labels=labels, masks=masks, assigned_colors=colors, alpha=0.35
    ).get_image()
