"""Panoptic quality of models on a registered dataset.

Source: Kirillov et al., "Panoptic Segmentation", CVPR 2019.
"""

import io
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from detectory.core.distributed import gather, is_main_process
from detectory.core.storage import atomic_write
from detectory.data import MetadataCatalog
from detectory.evaluation.evaluator import DatasetEvaluator, ModelOutputs
from detectory.evaluation.results_table import format_metrics
from detectory.structures import SegmentInfo, ids_to_rgb

from .json_files import check_ground_truth
from .quality import panoptic_quality

_logger = logging.getLogger(__name__)


class COCOPanopticEvaluator(DatasetEvaluator):
    """Panoptic quality (PQ), segmentation quality (SQ) and recognition quality (RQ) of all classes, things and stuff.

    Each prediction is stored as a compressed PNG. In distributed evaluation the main process gathers them.

    Args:
        dataset_name: A registered dataset whose metadata has `panoptic_json`, `panoptic_root`,
            `thing_dataset_id_to_contiguous_id` and `stuff_dataset_id_to_contiguous_id`.
        output_dir: Folder for `predictions.json` and the PNG files. None: a temporary folder.
    """

    def __init__(self, dataset_name: str, output_dir: str | None = None) -> None:
        self._metadata = MetadataCatalog.get(dataset_name)
        things = self._metadata.thing_dataset_id_to_contiguous_id
        stuff = self._metadata.stuff_dataset_id_to_contiguous_id
        self._thing_ids = {index: category for category, index in things.items()}
        self._stuff_ids = {index: category for category, index in stuff.items()}
        self._output_dir = output_dir
        self._predictions: dict[Any, dict[str, Any]] = {}

    def check(self, outputs: ModelOutputs | None = None) -> None:
        """Check the ground truth and its PNG files.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If the JSON file is invalid. The message names the file, the entry and its field.
        """
        check_ground_truth(self._metadata.panoptic_json, self._metadata.panoptic_root)

    def reset(self) -> None:
        """Discard all predictions."""
        self._predictions = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Store the segmentations of a batch of images.

        Args:
            inputs: Dicts with `image_id` and `file_name`.
            outputs: Dicts with `panoptic_seg`: a pair of (H, W) integer segment ids, 0 for no segment, and a list with
                one dict of `id`, `category_id` (contiguous) and `isthing` per segment. If the list is None, ids are
                category * `label_divisor` + instance, with the divisor of the metadata, and -1 for no segment.

        Raises:
            ValueError: If a segment id is not in [0, 2^24), the range of panoptic PNG files, or a category is unknown.
        """
        for record, output in zip(inputs, outputs, strict=True):
            ids, segments = output["panoptic_seg"]
            ids = ids.cpu().numpy() if isinstance(ids, torch.Tensor) else np.asarray(ids)
            if segments is None:
                segments = self._segments_from_ids(ids)
                ids = ids + 1
            try:
                colors = ids_to_rgb(ids)
            except ValueError as error:
                raise ValueError(f"COCOPanopticEvaluator: {record['file_name']}: {error}") from error
            png = io.BytesIO()
            Image.fromarray(colors).save(png, "PNG", compress_level=1)
            self._predictions[record["image_id"]] = {
                "image_id": record["image_id"],
                "file_name": Path(record["file_name"]).stem + ".png",
                "segments_info": [self._with_dataset_id(segment) for segment in segments],
                "png": png.getvalue(),
            }

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Write the predictions and compute the metrics.

        Returns:
            `{"panoptic_seg": {...}}` with the metrics of `panoptic_quality`. Empty in all processes but the main one.
        """
        parts = gather(self._predictions, dst=0)
        if not is_main_process():
            return {}
        predictions = {image: prediction for part in reversed(parts) for image, prediction in part.items()}
        with tempfile.TemporaryDirectory(prefix="panoptic_eval") as temporary:
            folder = Path(self._output_dir or temporary)
            folder.mkdir(parents=True, exist_ok=True)
            entries = []
            for prediction in predictions.values():
                with atomic_write(folder / prediction["file_name"]) as file:
                    file.write(prediction["png"])
                entries.append({key: value for key, value in prediction.items() if key != "png"})
            with atomic_write(folder / "predictions.json", "w") as file:
                file.write(json.dumps({"annotations": entries}))
            metrics = panoptic_quality(
                self._metadata.panoptic_json, folder / "predictions.json", self._metadata.panoptic_root, folder
            )
        _logger.info("Panoptic evaluation results:\n%s", format_metrics(metrics))
        return {"panoptic_seg": metrics}

    def _segments_from_ids(self, ids: np.ndarray) -> list[SegmentInfo]:
        """Describe the segments of ids (H, W) that are category * label_divisor + instance; ids grow by 1."""
        divisor = self._metadata.label_divisor
        things = self._metadata.thing_dataset_id_to_contiguous_id.values()
        segments: list[SegmentInfo] = []
        for segment_id in np.unique(ids).tolist():
            if segment_id >= 0:
                category = segment_id // divisor
                segments.append({"id": segment_id + 1, "category_id": category, "isthing": category in things})
        return segments

    def _with_dataset_id(self, segment: SegmentInfo) -> SegmentInfo:
        """Replace the contiguous category id of a segment; a segment without `isthing` has the dataset's id already."""
        if "isthing" not in segment:
            return segment
        dataset_ids = self._thing_ids if segment["isthing"] else self._stuff_ids
        category = segment["category_id"]
        if category not in dataset_ids:
            group = "thing" if segment["isthing"] else "stuff"
            raise ValueError(
                f"COCOPanopticEvaluator: predicted {group} class {category}, but the dataset has {len(dataset_ids)}"
            )
        converted = segment.copy()
        converted["category_id"] = dataset_ids[category]
        del converted["isthing"]
        return converted
