"""Evaluates semantic segmentations: IoU and accuracy of classes, of pixels and of boundaries."""

import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from detectory import ops
from detectory.core.distributed import gather, is_main_process
from detectory.core.storage import atomic_write
from detectory.data import DatasetCatalog, MetadataCatalog

from .evaluator import DatasetEvaluator
from .results_table import format_metrics


def load_image_into_numpy_array(filename: str, dtype: Any = None) -> np.ndarray:
    """Read a picture of labels: (H, W), of its own type unless `dtype` says otherwise."""
    with Image.open(filename) as image:
        return np.array(image, dtype=dtype)


class SemSegEvaluator(DatasetEvaluator):
    """Mean and frequency-weighted IoU, mean and overall accuracy of pixels, IoU of boundaries, by class.

    Each image becomes the counts of the pairs of classes that occur in it. Images that came twice, in one process or
    in several, count once.

    Args:
        dataset_name: A registered dataset with `stuff_classes` and `ignore_label` in its metadata, whose dicts have
            `file_name` and `sem_seg_file_name`.
        distributed: Whether the counts of all processes are added up.
        output_dir: Where `sem_seg_predictions.json` and `sem_seg_evaluation.pth` are written; None: nowhere.
        sem_seg_loading_fn: Reads a ground truth's file as (H, W) integers; called with `dtype=int`.
        num_classes, ignore_label: Instead of those of the metadata.
    """

    def __init__(
        self,
        dataset_name: str,
        distributed: bool = True,
        output_dir: str | None = None,
        *,
        sem_seg_loading_fn: Callable[..., np.ndarray] = load_image_into_numpy_array,
        num_classes: int | None = None,
        ignore_label: int | None = None,
    ) -> None:
        metadata = MetadataCatalog.get(dataset_name)
        self._dataset_name = dataset_name
        self._distributed = distributed
        self._output_dir = output_dir
        self._load = sem_seg_loading_fn
        self._class_names = list(metadata.stuff_classes)
        self._num_classes = len(self._class_names) if num_classes is None else num_classes
        self._ignore_label = getattr(metadata, "ignore_label", 255) if ignore_label is None else ignore_label
        contiguous = getattr(metadata, "stuff_dataset_id_to_contiguous_id", None)
        self._dataset_ids = {v: k for k, v in contiguous.items()} if contiguous else None
        self._truth_files: dict[str, str] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all counts and predictions."""
        self._counted: dict[str, _ImageCounts] = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Take the segmentations of some images.

        Args:
            inputs: Dicts with `file_name`.
            outputs: Dicts with `sem_seg`, (K, H, W) scores or (H, W) labels.

        Raises:
            ValueError: where a segmentation has another size than its ground truth, or the dataset has no such image.
        """
        for record, output in zip(inputs, outputs, strict=True):
            scores = output["sem_seg"] if isinstance(output, Mapping) else output
            found = (scores.argmax(dim=0) if scores.dim() == 3 else scores).cpu().numpy().astype(np.int64)
            truth = np.asarray(self._load(self._truth_file(record["file_name"]), dtype=int)).astype(np.int64)
            if truth.shape != found.shape:
                name = record["file_name"]
                raise ValueError(f"SemSegEvaluator: {name}: predicted {found.shape}, the ground truth is {truth.shape}")
            truth[(truth == self._ignore_label) | (truth >= self._num_classes) | (truth < 0)] = self._num_classes
            found = np.clip(found, 0, self._num_classes)
            counts = confusion_counts(found, truth, self._num_classes).ravel()
            boundary = boundary_counts(found, truth, self._num_classes).ravel()
            occurring, near = np.flatnonzero(counts), np.flatnonzero(boundary)
            entries = self.encode_json_sem_seg(found, record["file_name"]) if self._output_dir else []
            self._counted[os.fspath(record["file_name"])] = _ImageCounts(
                occurring, counts[occurring], near, boundary[near], entries
            )

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Measure.

        Returns:
            `{"sem_seg": {...}}` with mIoU, fwIoU, mACC, pACC, mean boundary IoU (`mBoundaryIoU`) and, by class,
            `IoU-…`, `ACC-…` and `BoundaryIoU-…`, in percent, NaN for classes that do not occur. Empty in other
            processes than the main one.
        """
        parts = [self._counted]
        if self._distributed:
            parts = gather(self._counted, dst=0)
            if not is_main_process():
                return {}
        images = {name: counted for part in reversed(parts) for name, counted in part.items()}.values()
        counts = np.zeros((self._num_classes + 1) ** 2, dtype=np.int64)
        boundary = np.zeros(2 * self._num_classes, dtype=np.int64)
        for image in images:
            counts[image.pairs] += image.pixels
            boundary[image.near] += image.near_pixels
        predictions = [entry for image in images for entry in image.entries]
        counts_of_pairs, counts_of_edges = counts.reshape(self._num_classes + 1, -1), boundary.reshape(2, -1)
        figures = segmentation_figures(counts_of_pairs, counts_of_edges, self._class_names)
        if self._output_dir:
            folder = Path(self._output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(folder / "sem_seg_predictions.json", "w") as file:
                file.write(json.dumps(predictions))
            with atomic_write(folder / "sem_seg_evaluation.pth") as file:
                torch.save(figures, file)
        main = {name: value for name, value in figures.items() if "-" not in name}
        logging.getLogger(__name__).info("Semantic segmentation results:\n%s", format_metrics(main))
        return {"sem_seg": figures}

    def encode_json_sem_seg(self, sem_seg: np.ndarray, input_file_name: str) -> list[dict[str, Any]]:
        """Turn labels (H, W) into COCO's format: one dict a class with `file_name`, `category_id`, `segmentation`."""
        entries = []
        for label in np.unique(sem_seg).tolist():
            if label >= self._num_classes:
                continue
            category = label if self._dataset_ids is None else self._dataset_ids[label]
            encoded: Any = ops.rle_encode(torch.from_numpy(sem_seg == label))
            encoded["counts"] = encoded["counts"].decode("ascii")
            entries.append({"file_name": input_file_name, "category_id": category, "segmentation": encoded})
        return entries

    def _truth_file(self, file_name: str) -> str:
        if self._truth_files is None:
            records = DatasetCatalog.get(self._dataset_name)
            self._truth_files = {os.fspath(r["file_name"]): r["sem_seg_file_name"] for r in records}
        if os.fspath(file_name) not in self._truth_files:
            count = len(self._truth_files)
            raise ValueError(f"SemSegEvaluator: {file_name} is none of the {count} images of {self._dataset_name}")
        return self._truth_files[os.fspath(file_name)]


@dataclass(frozen=True)
class _ImageCounts:
    """What one image adds: pixels of pairs of classes, pixels near boundaries, both where they are not zero."""

    pairs: np.ndarray
    pixels: np.ndarray
    near: np.ndarray
    near_pixels: np.ndarray
    entries: list[dict[str, Any]]


def confusion_counts(found: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels by predicted (row) and true (column) class: (K + 1, K + 1), the last of each for "none"."""
    size = classes + 1
    return np.bincount(size * found.ravel() + truth.ravel(), minlength=size * size).reshape(size, size)


def boundary_counts(found: np.ndarray, truth: np.ndarray, classes: int, ratio: float = 0.02) -> np.ndarray:
    """Count the pixels that both boundaries of a class share, and those of either: (2, K).

    The boundary of a class are its pixels at most `ratio` times the picture's diagonal away (in rows and columns) from
    a pixel of another class or the picture's border. Pixels without a true class do not count.

    Source: Cheng et al., "Boundary IoU", CVPR 2021.
    """
    known = truth < classes
    in_found, in_truth = _near_another_class(found, ratio) & known, _near_another_class(truth, ratio) & known
    both = in_found & in_truth & (found == truth)
    shared = np.bincount(found[both], minlength=classes + 1)
    either = np.bincount(found[in_found], minlength=classes + 1) + np.bincount(truth[in_truth], minlength=classes + 1)
    return np.stack([shared, either - shared])[:, :classes]


def segmentation_figures(counts: np.ndarray, boundary: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Turn what `confusion_counts` and `boundary_counts` give into metrics, in percent."""
    # Columns: a pixel that has a class but was given none counts against the class; one without a class never counts.
    known = counts[:, :-1].astype(np.float64)
    right, true, predicted = np.diag(known), known.sum(axis=0), known[:-1].sum(axis=1)
    occurs = true > 0
    union = true + predicted - right
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = np.where(occurs, right / true, np.nan)
        iou = np.where(occurs & (union > 0), right / union, np.nan)
        edge = np.where(occurs & (boundary[1] > 0), boundary[0] / boundary[1], np.nan)
        share = true / true.sum()
    figures = {"mIoU": _nan_mean(iou), "fwIoU": float(np.nansum(iou * share)) if occurs.any() else math.nan}
    figures |= {"mACC": _nan_mean(accuracy), "pACC": float(right.sum() / true.sum()) if occurs.any() else math.nan}
    figures["mBoundaryIoU"] = _nan_mean(edge)
    for kind, values in (("IoU", iou), ("BoundaryIoU", edge), ("ACC", accuracy)):
        figures |= {f"{kind}-{name}": float(value) for name, value in zip(names, values, strict=True)}
    return {name: 100 * value for name, value in figures.items()}


def _nan_mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def _near_another_class(labels: np.ndarray, ratio: float) -> np.ndarray:
    """Where the square window around a pixel holds more than one label or leaves the picture."""
    height, width = labels.shape
    reach = max(round(ratio * math.hypot(height, width)), 1)
    size = 2 * reach + 1
    image = torch.from_numpy(labels).float()[None, None]
    padded = functional.pad(image, (reach,) * 4, value=-1.0)

    def highest(values: torch.Tensor) -> torch.Tensor:
        rows = functional.max_pool2d(values, (size, 1), stride=1)
        return functional.max_pool2d(rows, (1, size), stride=1)[0, 0]

    return (highest(padded) != -highest(-padded)).numpy()
