"""Semantic segmentation evaluator under Detectron2's module path, with the state that subclasses use."""

import functools
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from detectory import evaluation as native
from detectory.compat.detectron2.utils import comm
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.data import DatasetCatalog
from detectory.evaluation import load_image_into_numpy_array
from detectory.evaluation.results_table import format_metrics
from detectory.evaluation.semantic_segmentation import (
    _is_near_another_label,
    boundary_counts,
    pixel_confusion,
    segmentation_metrics,
)

__all__ = ["SemSegEvaluator", "load_image_into_numpy_array"]


class SemSegEvaluator(native.SemSegEvaluator):
    """Semantic segmentation metrics accumulated in confusion matrices.

    Subclasses may read and fill `_conf_matrix` `(K + 1, K + 1)`, predicted class by true class, `_b_conf_matrix`
    `(2, K)`, intersection and union of boundaries, and `_predictions`. Arguments are those of
    `detectory.evaluation.SemSegEvaluator`.
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
        self._logger = logging.getLogger(__name__)
        self.sem_seg_loading_fn = sem_seg_loading_fn
        self._cpu_device = torch.device("cpu")
        for name, value in (("num_classes", num_classes), ("ignore_label", ignore_label)):
            if value is not None:
                self._logger.warning("SemSegEvaluator: %s is deprecated, set it in the dataset's metadata", name)
        super().__init__(
            dataset_name,
            distributed,
            output_dir,
            sem_seg_loading_fn=sem_seg_loading_fn,
            num_classes=num_classes,
            ignore_label=ignore_label,
        )
        self._contiguous_id_to_dataset_id = self._dataset_ids
        self._compute_boundary_iou = True

    @functools.cached_property
    def input_file_to_gt_file(self) -> dict[str, str]:
        """Ground-truth file of every image file."""
        records = DatasetCatalog.get(self._dataset_name)
        return {os.fspath(record["file_name"]): record["sem_seg_file_name"] for record in records}

    def reset(self) -> None:
        """Discard all counts and predictions."""
        self._conf_matrix = np.zeros((self._num_classes + 1, self._num_classes + 1), dtype=np.int64)
        self._b_conf_matrix = np.zeros((2, self._num_classes), dtype=np.int64)
        self._predictions: list[dict[str, Any]] = []

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Count the pixels of a batch of images.

        Args:
            inputs: Dictionaries with `file_name`.
            outputs: Dictionaries with `sem_seg`, scores `(K, H, W)`.
        """
        for record, output in zip(inputs, outputs, strict=False):
            name = os.fspath(record["file_name"])
            prediction = output["sem_seg"].argmax(dim=0).to(self._cpu_device).numpy().astype(np.int64)
            ground_truth = np.array(self.sem_seg_loading_fn(self.input_file_to_gt_file[name], dtype=int))
            ground_truth[ground_truth == self._ignore_label] = self._num_classes
            self._conf_matrix += pixel_confusion(prediction, ground_truth, self._num_classes)
            self._b_conf_matrix += boundary_counts(prediction, ground_truth, self._num_classes)
            self._predictions.extend(self.encode_json_sem_seg(prediction, name))

    def _mask_to_boundary(self, mask: np.ndarray, dilation_ratio: float = 0.02) -> np.ndarray:
        """Return the pixels of a mask `(H, W)` that are close to its boundary.

        Args:
            mask: Zero outside the mask.
            dilation_ratio: Maximum distance as a fraction of the image diagonal.
        """
        return np.where(_is_near_another_label(mask, dilation_ratio), mask, 0)

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Return `{"sem_seg": metrics}` in percent; empty in all processes but the main one."""
        if self._distributed:
            comm.synchronize()
            counts = comm.gather((self._conf_matrix, self._b_conf_matrix, self._predictions), dst=0)
            if not comm.is_main_process():
                return {}
            self._conf_matrix = sum(part[0] for part in counts)
            self._b_conf_matrix = sum(part[1] for part in counts)
            self._predictions = [entry for part in counts for entry in part[2]]
        metrics = segmentation_metrics(self._conf_matrix, self._b_conf_matrix, self._class_names)
        if self._output_dir:
            PathManager.mkdirs(self._output_dir)
            with PathManager.open(os.path.join(self._output_dir, "sem_seg_predictions.json"), "w") as file:
                file.write(json.dumps(self._predictions))
            torch.save(metrics, os.path.join(self._output_dir, "sem_seg_evaluation.pth"))
        self._logger.info("%s", format_metrics({name: value for name, value in metrics.items() if "-" not in name}))
        return {"sem_seg": metrics}
