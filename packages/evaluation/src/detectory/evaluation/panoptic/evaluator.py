"""Evaluates panoptic segmentations by panoptic quality.

Source: Kirillov et al., "Panoptic Segmentation", CVPR 2019.
"""

import io
import json
import logging
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np
import torch
from PIL import Image

from detectory.core.distributed import gather, is_main_process
from detectory.core.storage import atomic_write
from detectory.data import MetadataCatalog
from detectory.evaluation.evaluator import DatasetEvaluator
from detectory.evaluation.results_table import format_metrics

from .json_files import write_plain_files

_GROUPS = {"All": "", "Things": "_th", "Stuff": "_st"}


class COCOPanopticEvaluator(DatasetEvaluator):
    """Panoptic quality (PQ), segmentation quality (SQ) and recognition quality (RQ), for all, things and stuff.

    Each prediction is kept as a compressed PNG. Processes send theirs to the main one.

    Args:
        dataset_name: A registered dataset with `panoptic_json`, `panoptic_root`, `thing_dataset_id_to_contiguous_id`
            and `stuff_dataset_id_to_contiguous_id` in its metadata.
        output_dir: Where `predictions.json` and the PNG files are written; None: to a folder that is removed.
    """

    def __init__(self, dataset_name: str, output_dir: str | None = None) -> None:
        self._metadata = MetadataCatalog.get(dataset_name)
        things = self._metadata.thing_dataset_id_to_contiguous_id
        stuff = self._metadata.stuff_dataset_id_to_contiguous_id
        self._dataset_ids = {True: {v: k for k, v in things.items()}, False: {v: k for k, v in stuff.items()}}
        self._output_dir = output_dir
        self._predictions: dict[Any, dict[str, Any]] = {}

    def reset(self) -> None:
        """Forget the predictions."""
        self._predictions = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Take the segmentations of some images.

        Args:
            inputs: Dicts with `image_id` and `file_name`.
            outputs: Dicts with `panoptic_seg`, a pair of (H, W) integer ids, 0 for no segment, and a list of dicts
                with `id`, `category_id` (contiguous) and `isthing`. With None instead of the list, ids are those of
                the metadata's `label_divisor` and -1 stands for no segment.
        """
        for record, output in zip(inputs, outputs, strict=True):
            ids, segments = output["panoptic_seg"]
            ids = ids.cpu().numpy() if isinstance(ids, torch.Tensor) else np.asarray(ids)
            if segments is None:
                segments = self._segments_of(ids)
                ids = ids + 1
            name = Path(record["file_name"]).stem + ".png"
            buffer = io.BytesIO()
            Image.fromarray(ids_to_rgb(ids)).save(buffer, "PNG", compress_level=1)
            described = [self._with_dataset_id(segment) for segment in segments]
            prediction = {"image_id": record["image_id"], "file_name": name, "segments_info": described}
            self._predictions[record["image_id"]] = prediction | {"png": buffer.getvalue()}

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Write the predictions and measure.

        Returns:
            `{"panoptic_seg": {...}}` with PQ, SQ, RQ, and those with `_th` and `_st`, in percent; empty in other
            processes than the main one.
        """
        parts = gather(self._predictions, dst=0)
        if not is_main_process():
            return {}
        predictions = {image: found for part in reversed(parts) for image, found in part.items()}
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
            truth = Path(self._metadata.panoptic_json), Path(self._metadata.panoptic_root)
            figures = panoptic_quality(truth[0], folder / "predictions.json", truth[1], folder)
        logging.getLogger(__name__).info("Panoptic evaluation results:\n%s", format_metrics(figures))
        return {"panoptic_seg": figures}

    def _segments_of(self, ids: np.ndarray) -> list[dict[str, Any]]:
        """Read classes from ids that are class * label_divisor + instance."""
        divisor = self._metadata.label_divisor
        segments = []
        for label in np.unique(ids).tolist():
            if label >= 0:
                category = label // divisor
                is_thing = category in self._metadata.thing_dataset_id_to_contiguous_id.values()
                segments.append({"id": label + 1, "category_id": category, "isthing": is_thing})
        return segments

    def _with_dataset_id(self, segment: Mapping[str, Any]) -> dict[str, Any]:
        if "isthing" not in segment:  # the ids are the dataset's own already
            return dict(segment)
        known = self._dataset_ids[bool(segment["isthing"])]
        kind = "thing" if segment["isthing"] else "stuff"
        if segment["category_id"] not in known:
            raise ValueError(f"COCOPanopticEvaluator: predicted {kind} class {segment['category_id']} of {len(known)}")
        kept = {key: value for key, value in segment.items() if key != "isthing"}
        return kept | {"category_id": known[segment["category_id"]]}


def panoptic_quality(
    truth: str | os.PathLike,
    predictions: str | os.PathLike,
    truth_folder: str | os.PathLike | None = None,
    predictions_folder: str | os.PathLike | None = None,
) -> dict[str, float]:
    """Measure predictions in COCO's panoptic format.

    Args:
        truth, predictions: The JSON files.
        truth_folder, predictions_folder: Where their PNG files are; None: beside each JSON file, in the folder of its
            name without `.json`.

    Returns:
        PQ, SQ, RQ, the same with `_th` for things and `_st` for stuff, in percent, and `PQ-<class>` for each class
        that occurs; NaN where nothing of a kind occurs.

    Raises:
        ValueError: where a file does not hold what it should, a prediction is missing or a segment is not described.
    """
    folders = _folder(truth, truth_folder), _folder(predictions, predictions_folder)
    try:
        results = _results(truth, predictions, *folders)
    except ValueError as error:
        # The engine refuses names of images that are text, and fields that no figure depends on.
        with tempfile.TemporaryDirectory(prefix="panoptic_eval") as temporary:
            plain = write_plain_files(truth, predictions, temporary)
            try:
                results = _results(*plain, *folders)
            except ValueError:
                raise ValueError(f"panoptic_quality: {error}") from error
    figures = {
        f"{name.upper()}{suffix}": 100 * results[group][name] if results[group][name] >= 0 else math.nan
        for group, suffix in _GROUPS.items()
        for name in ("pq", "sq", "rq")
    }
    names = {c["id"]: c.get("name", c["id"]) for c in json.loads(Path(truth).read_text(encoding="utf-8"))["categories"]}
    for category, figure in results["per_class"].items():
        figures[f"PQ-{names[int(category)]}"] = 100 * figure["pq"]
    return figures


def _folder(file: str | os.PathLike, folder: str | os.PathLike | None) -> str:
    return os.fspath(Path(file).with_suffix("") if folder is None else folder)


def _results(
    truth: str | os.PathLike, predictions: str | os.PathLike, truth_folder: str, predictions_folder: str
) -> dict[str, Any]:
    evaluation = hotcoco.panoptic.PanopticEval(
        os.fspath(truth), os.fspath(predictions), gt_folder=truth_folder, pred_folder=predictions_folder
    )
    evaluation.evaluate()
    return evaluation.results()


def ids_to_rgb(ids: np.ndarray) -> np.ndarray:
    """Write ids (H, W) below 2^24 as COCO's panoptic PNG files have them: (H, W, 3) uint8, lowest byte first."""
    ids = ids.astype(np.uint32)
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16 & 255], axis=-1).astype(np.uint8)
