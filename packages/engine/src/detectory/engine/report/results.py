"""The detections of a run's evaluation, compared with the ground truth of its dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.engine.recipe.run_folder import BEST_DETECTIONS, LAST_DETECTIONS
from detectory.engine.report.run_summary import EvaluationSummary, RunSummary
from detectory.evaluation import COCOEvaluator
from detectory.evaluation.report import CocoEvaluation, evaluate_all

_RESULTS_FILE = COCOEvaluator.results_name
#: A larger results file is not analysed if the report must be written quickly, about 50,000 detections.
_MAX_BYTES_IF_QUICK = 10_000_000


@dataclass(frozen=True)
class RunResults:
    """The detections of an evaluation.

    Attributes:
        evaluation: The detections and their errors.
        source: The evaluation of the run.
        is_best: Whether it is the best evaluation rather than the last one.
    """

    evaluation: CocoEvaluation
    source: EvaluationSummary
    is_best: bool


class ResultsUnavailable(Exception):
    """The detections or the ground truth of a run are missing; the message is a sentence for the report."""


def run_results(summary: RunSummary, dataset: str, *, quick: bool = False) -> RunResults:
    """Return the results of the best evaluation if they are saved, else those of the last one.

    Args:
        summary: The run.
        dataset: Name of the registered test set.
        quick: Skip large files.

    Raises:
        ResultsUnavailable: If there are no detections, or the dataset is not registered or has been removed.
    """
    if summary.last is None or summary.best is None:
        raise ResultsUnavailable("The run has not been evaluated yet.")
    best = summary.folder / BEST_DETECTIONS / _RESULTS_FILE
    last = summary.folder / LAST_DETECTIONS / _RESULTS_FILE
    is_best = best.is_file() and summary.best_is_saved
    path, source = (best, summary.best) if is_best else (last, summary.last)
    if not path.is_file():
        raise ResultsUnavailable("The evaluator of this run does not save detections, which the error analysis needs.")
    if quick and path.stat().st_size > _MAX_BYTES_IF_QUICK:
        raise ResultsUnavailable(
            f"The error analysis was skipped, because it takes longer. 'detectory report {summary.folder}' adds it."
        )
    return RunResults(evaluate_all(load_ground_truth(dataset), path, log=False), source, is_best)


def load_ground_truth(dataset: str) -> Path | Mapping[str, Any]:
    """Return the annotation file of a registered dataset or, for a dataset without one, the content of such a file.

    Raises:
        ResultsUnavailable: If the dataset is not registered or its file does not exist.
    """
    if dataset not in DatasetCatalog:
        raise ResultsUnavailable(f"The dataset {dataset} is not available. Images and errors are left out.")
    file = MetadataCatalog.get(dataset).get("json_file")
    if file and not Path(file).is_file():
        raise ResultsUnavailable(f"{file} does not exist. Images and errors are left out.")
    return Path(file) if file else COCOEvaluator(dataset).ground_truth.dataset
