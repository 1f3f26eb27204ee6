"""Panoptic quality of files in COCO's panoptic format.

A predicted and a true segment of the same category match if their IoU is above 0.5. As segments do not overlap, each
has at most one match, so no assignment has to be solved. With TP, FP and FN the matches, unmatched predictions and
unmatched true segments of a category:

    SQ = (sum of the IoU of matches) / TP,   RQ = TP / (TP + FP / 2 + FN / 2),   PQ = SQ * RQ.

Source: Kirillov et al., "Panoptic Segmentation", CVPR 2019, section 4.
"""

import math
import os
import tempfile
from pathlib import Path
from typing import Any

import hotcoco

from detectory.core.storage import read_json

from .json_files import write_reduced_files

_SUFFIXES = {"All": "", "Things": "_th", "Stuff": "_st"}
"""Group in hotcoco's results to the suffix of the metric names."""


def panoptic_quality(
    ground_truth: str | os.PathLike,
    predictions: str | os.PathLike,
    ground_truth_folder: str | os.PathLike | None = None,
    predictions_folder: str | os.PathLike | None = None,
) -> dict[str, float]:
    """Compute panoptic quality of predictions in COCO's panoptic format.

    Args:
        ground_truth: Path of the JSON file.
        predictions: Path of the JSON file.
        ground_truth_folder: Folder of the PNG files. None: the path of the JSON file without its suffix.
        predictions_folder: Folder of the PNG files. None: the path of the JSON file without its suffix.

    Returns:
        PQ, SQ and RQ, with the suffix `_th` for things and `_st` for stuff, and `PQ-<class>` for each class that
        occurs, in percent; NaN if undefined.

    Raises:
        ValueError: If a file is invalid, a prediction is missing or a segment has no description.
    """
    folders = _folder(ground_truth, ground_truth_folder), _folder(predictions, predictions_folder)
    try:
        results = _hotcoco_results(ground_truth, predictions, *folders)
    except ValueError as error:
        # hotcoco rejects string image ids and unusual values of unrelated fields. Retry with files that have neither;
        # writing them checks both files and reports the invalid entry.
        with tempfile.TemporaryDirectory(prefix="panoptic_eval") as temporary:
            reduced = write_reduced_files(ground_truth, predictions, temporary)
            try:
                results = _hotcoco_results(*reduced, *folders)
            except ValueError:
                raise ValueError(f"panoptic_quality: {error}") from error
    metrics = {
        f"{name.upper()}{suffix}": 100 * results[group][name] if results[group][name] >= 0 else math.nan
        for group, suffix in _SUFFIXES.items()
        for name in ("pq", "sq", "rq")
    }
    names = {c["id"]: c.get("name", c["id"]) for c in read_json(ground_truth)["categories"]}
    for category, result in results["per_class"].items():
        metrics[f"PQ-{names[int(category)]}"] = 100 * result["pq"]
    return metrics


def _folder(file: str | os.PathLike, folder: str | os.PathLike | None) -> str:
    return os.fspath(Path(file).with_suffix("") if folder is None else folder)


def _hotcoco_results(
    ground_truth: str | os.PathLike,
    predictions: str | os.PathLike,
    ground_truth_folder: str,
    predictions_folder: str,
) -> dict[str, Any]:
    evaluation = hotcoco.panoptic.PanopticEval(
        os.fspath(ground_truth),
        os.fspath(predictions),
        gt_folder=ground_truth_folder,
        pred_folder=predictions_folder,
    )
    evaluation.evaluate()
    return evaluation.results()
