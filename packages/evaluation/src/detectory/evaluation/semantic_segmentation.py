"""Semantic segmentation evaluation: IoU and accuracy per class and over all pixels, and boundary IoU."""

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

from .evaluator import DatasetEvaluator, ModelOutputs
from .results_table import format_metrics

_logger = logging.getLogger(__name__)


def load_image_into_numpy_array(filename: str, dtype: Any = None) -> np.ndarray:
    """Read a label image: (H, W), with the data type of the file if `dtype` is None."""
    with Image.open(filename) as image:
        return np.array(image, dtype=dtype)


class SemSegEvaluator(DatasetEvaluator):
    """Mean and frequency-weighted IoU, mean and overall pixel accuracy, and boundary IoU.

    Each image is reduced to its nonzero pixel counts. An image that was evaluated twice, in one process or in several,
    counts once.

    Args:
        dataset_name: A registered dataset with `stuff_classes` and `ignore_label` in its metadata, and `file_name` and
            `sem_seg_file_name` in its records.
        distributed: Whether to evaluate the images of all processes together, in the main process.
        output_dir: Folder for `sem_seg_predictions.json` and `sem_seg_evaluation.pth`. None: write no files.
        sem_seg_loading_fn: Reads a ground-truth file as (H, W) integers; called with `dtype=int`.
        num_classes: Number of classes. None: that of the metadata.
        ignore_label: Label of pixels that do not count. None: that of the metadata.
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
        if metadata.get("stuff_classes") is None:
            raise ValueError(f"SemSegEvaluator: the metadata of dataset {dataset_name} must have stuff_classes")
        self._class_names = list(metadata.stuff_classes)
        self._num_classes = len(self._class_names) if num_classes is None else num_classes
        self._ignore_label = getattr(metadata, "ignore_label", 255) if ignore_label is None else ignore_label
        contiguous_ids = getattr(metadata, "stuff_dataset_id_to_contiguous_id", None)
        self._dataset_ids = {v: k for k, v in contiguous_ids.items()} if contiguous_ids else None
        self._ground_truth_files: dict[str, str] | None = None
        self.reset()

    def check(self, outputs: ModelOutputs | None = None) -> None:
        """Check that every image has a label image and every class a category id.

        Raises:
            ValueError: If the records have no label images, or `stuff_dataset_id_to_contiguous_id` lacks a class.
            FileNotFoundError: If label images do not exist.
        """
        records = DatasetCatalog.get(self._dataset_name)
        name = f"SemSegEvaluator: dataset {self._dataset_name}"
        if any("sem_seg_file_name" not in record for record in records):
            raise ValueError(f"{name} has records without a label image (field sem_seg_file_name)")
        missing = [file for record in records if not _exists(file := os.fspath(record["sem_seg_file_name"]))]
        if missing:
            raise FileNotFoundError(f"{name}: {len(missing)} label images do not exist, the first is {missing[0]}")
        if self._dataset_ids is not None and self._output_dir:
            without = [label for label in range(self._num_classes) if label not in self._dataset_ids]
            if without:
                raise ValueError(
                    f"{name}: stuff_dataset_id_to_contiguous_id must map to the indices 0 to {self._num_classes - 1} "
                    f"of all {self._num_classes} stuff_classes, but {without[0]} is missing"
                )

    def reset(self) -> None:
        """Discard all counts and predictions."""
        self._images: dict[str, _ImageCounts] = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Count the pixels of a batch of images.

        Args:
            inputs: Dicts with `file_name`.
            outputs: Dicts with `sem_seg`: (K, H, W) scores or (H, W) labels.

        Raises:
            ValueError: If the dataset does not have the image, or the segmentation and its ground truth differ in size.
        """
        for record, output in zip(inputs, outputs, strict=True):
            name = os.fspath(record["file_name"])
            sem_seg = output["sem_seg"] if isinstance(output, Mapping) else output
            prediction = (sem_seg.argmax(dim=0) if sem_seg.dim() == 3 else sem_seg).cpu().numpy().astype(np.int64)
            prediction = np.clip(prediction, 0, self._num_classes)
            ground_truth = self._read_ground_truth(name)
            if ground_truth.shape != prediction.shape:
                raise ValueError(
                    f"SemSegEvaluator: {name}: the prediction has size {prediction.shape}, "
                    f"its ground truth {ground_truth.shape}"
                )
            confusion = pixel_confusion(prediction, ground_truth, self._num_classes).ravel()
            boundary = boundary_counts(prediction, ground_truth, self._num_classes).ravel()
            pairs, boundary_cells = np.flatnonzero(confusion), np.flatnonzero(boundary)
            self._images[name] = _ImageCounts(
                pairs,
                confusion[pairs],
                boundary_cells,
                boundary[boundary_cells],
                entries=self.encode_json_sem_seg(prediction, name) if self._output_dir else [],
            )

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Compute the metrics.

        Returns:
            `{"sem_seg": {...}}` with mIoU, fwIoU, mACC, pACC, `mBoundaryIoU` and, per class, `IoU-…`, `ACC-…` and
            `BoundaryIoU-…`, in percent; NaN for classes that do not occur. Empty in all processes but the main one.
        """
        parts = [self._images]
        if self._distributed:
            parts = gather(self._images, dst=0)
            if not is_main_process():
                return {}
        images = {name: counts for part in reversed(parts) for name, counts in part.items()}.values()
        confusion = np.zeros((self._num_classes + 1) ** 2, dtype=np.int64)
        boundary = np.zeros(2 * self._num_classes, dtype=np.int64)
        for image in images:
            confusion[image.pairs] += image.pixels
            boundary[image.boundary_cells] += image.boundary_pixels
        metrics = segmentation_metrics(
            confusion.reshape(self._num_classes + 1, -1), boundary.reshape(2, -1), self._class_names
        )
        if self._output_dir:
            folder = Path(self._output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            entries = [entry for image in images for entry in image.entries]
            with atomic_write(folder / "sem_seg_predictions.json", "w") as file:
                file.write(json.dumps(entries))
            with atomic_write(folder / "sem_seg_evaluation.pth") as file:
                torch.save(metrics, file)
        main = {name: value for name, value in metrics.items() if "-" not in name}
        _logger.info("Semantic segmentation results:\n%s", format_metrics(main))
        return {"sem_seg": metrics}

    def encode_json_sem_seg(self, sem_seg: np.ndarray, input_file_name: str) -> list[dict[str, Any]]:
        """Convert labels (H, W) to COCO's format: a dict per class with `file_name`, `category_id`, `segmentation`."""
        entries = []
        for label in np.unique(sem_seg).tolist():
            if label >= self._num_classes:
                continue
            category = label if self._dataset_ids is None else self._dataset_ids[label]
            rle: Any = ops.rle_encode(torch.from_numpy(sem_seg == label))
            rle["counts"] = rle["counts"].decode("ascii")
            entries.append({"file_name": input_file_name, "category_id": category, "segmentation": rle})
        return entries

    def _read_ground_truth(self, name: str) -> np.ndarray:
        """Ground-truth labels (H, W) int64 in [0, K], K for pixels that do not count."""
        if self._ground_truth_files is None:
            records = DatasetCatalog.get(self._dataset_name)
            self._ground_truth_files = {os.fspath(r["file_name"]): r["sem_seg_file_name"] for r in records}
        if name not in self._ground_truth_files:
            count = len(self._ground_truth_files)
            raise ValueError(f"SemSegEvaluator: {name} is not one of the {count} images of {self._dataset_name}")
        labels = np.asarray(self._load(self._ground_truth_files[name], dtype=int)).astype(np.int64)
        labels[(labels == self._ignore_label) | (labels >= self._num_classes) | (labels < 0)] = self._num_classes
        return labels


def _exists(path: str) -> bool:
    return "://" in path or os.path.isfile(path)


@dataclass(frozen=True)
class _ImageCounts:
    """The nonzero counts of one image.

    Args:
        pairs: Flat indices into the confusion matrix.
        pixels: Number of pixels of each pair.
        boundary_cells: Flat indices into the result of `boundary_counts`.
        boundary_pixels: Number of pixels of each cell.
        entries: The prediction in COCO's format.
    """

    pairs: np.ndarray
    pixels: np.ndarray
    boundary_cells: np.ndarray
    boundary_pixels: np.ndarray
    entries: list[dict[str, Any]]


def pixel_confusion(prediction: np.ndarray, ground_truth: np.ndarray, num_classes: int) -> np.ndarray:
    """Count pixels by predicted class (row) and true class (column).

    Args:
        prediction: (H, W) int64 labels in [0, K].
        ground_truth: (H, W) int64 labels in [0, K].
        num_classes: The number K of classes; label K is ignored.

    Returns:
        (K + 1, K + 1) int64.
    """
    size = num_classes + 1
    return np.bincount(size * prediction.ravel() + ground_truth.ravel(), minlength=size * size).reshape(size, size)


def boundary_counts(
    prediction: np.ndarray, ground_truth: np.ndarray, num_classes: int, ratio: float = 0.02
) -> np.ndarray:
    """Count the pixels in the intersection and in the union of the predicted and true boundary of each class.

    The boundary of a class consists of its pixels within `ratio` times the image diagonal (Chebyshev distance) of a
    pixel of another class or of the image border. Pixels without a true class do not count.

    Source: Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021.

    Args:
        prediction: (H, W) int64 labels in [0, K].
        ground_truth: (H, W) int64 labels in [0, K]; K for pixels without a class.
        num_classes: The number K of classes.
        ratio: Width of the boundary relative to the image diagonal.

    Returns:
        (2, K) int64: pixels of the intersection and of the union.
    """
    is_labelled = ground_truth < num_classes
    in_prediction = _is_near_another_label(prediction, ratio) & is_labelled
    in_ground_truth = _is_near_another_label(ground_truth, ratio) & is_labelled
    in_both = in_prediction & in_ground_truth & (prediction == ground_truth)

    def count(labels: np.ndarray) -> np.ndarray:
        return np.bincount(labels, minlength=num_classes + 1)[:num_classes]

    intersection = count(prediction[in_both])
    union = count(prediction[in_prediction]) + count(ground_truth[in_ground_truth]) - intersection
    return np.stack([intersection, union])


def segmentation_metrics(confusion: np.ndarray, boundary: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Compute the metrics in percent from the sums of `pixel_confusion` and `boundary_counts` over all images."""
    # Dropping the last column leaves out pixels without a true class. The last row stays: a pixel that has a true class
    # but no predicted one is an error for its class.
    known = confusion[:, :-1].astype(np.float64)
    correct, true, predicted = np.diag(known), known.sum(axis=0), known[:-1].sum(axis=1)
    union = true + predicted - correct
    occurs = true > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = np.where(occurs, correct / true, np.nan)
        iou = np.where(occurs & (union > 0), correct / union, np.nan)
        boundary_iou = np.where(occurs & (boundary[1] > 0), boundary[0] / boundary[1], np.nan)
        frequency = true / true.sum()
    metrics = {
        "mIoU": _nan_mean(iou),
        "fwIoU": float(np.nansum(iou * frequency)) if occurs.any() else math.nan,
        "mACC": _nan_mean(accuracy),
        "pACC": float(correct.sum() / true.sum()) if occurs.any() else math.nan,
        "mBoundaryIoU": _nan_mean(boundary_iou),
    }
    for prefix, values in (("IoU", iou), ("BoundaryIoU", boundary_iou), ("ACC", accuracy)):
        metrics |= {f"{prefix}-{name}": float(value) for name, value in zip(names, values, strict=True)}
    return {name: 100 * value for name, value in metrics.items()}


def _nan_mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan


def _is_near_another_label(labels: np.ndarray, ratio: float) -> np.ndarray:
    """Whether the square window around each pixel contains several labels or crosses the image border: (H, W) bool.

    A window contains one label if its maximum and minimum are equal, so two max-pools (one of the negated labels)
    decide, each separable into rows and columns. Padding with -1 makes the border a separate label.
    """
    reach = max(round(ratio * math.hypot(*labels.shape)), 1)
    size = 2 * reach + 1
    padded = functional.pad(torch.from_numpy(labels).float()[None, None], (reach,) * 4, value=-1.0)

    def maximum(values: torch.Tensor) -> torch.Tensor:
        rows = functional.max_pool2d(values, (size, 1), stride=1)
        return functional.max_pool2d(rows, (1, size), stride=1)[0, 0]

    return (maximum(padded) != -maximum(-padded)).numpy()
