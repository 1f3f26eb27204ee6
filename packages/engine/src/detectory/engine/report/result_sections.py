"""Sections of a run's report with images: random images with predictions, and the error analysis."""

from pathlib import Path

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.engine.inference.predictor import Predictor
from detectory.engine.report.examples import predicted_examples, random_records, saved_examples
from detectory.engine.report.results import ResultsUnavailable, load_ground_truth, run_results
from detectory.engine.report.run_summary import RunSummary
from detectory.evaluation.report import add_coco_report
from detectory.visualization.html import Page

_NUM_EXAMPLES = 8


def add_results(page: Page, summary: RunSummary, dataset: str | None, quick: bool) -> None:
    """Add random images, and the error analysis if the evaluator has saved its detections."""
    if dataset is None:
        return
    try:
        load_ground_truth(dataset)
        results = run_results(summary, dataset, quick=quick)
    except ResultsUnavailable as reason:
        page.heading("Images and errors")
        page.text(str(reason))
        if not quick and dataset in DatasetCatalog:
            _add_predictions(page, summary, dataset)
        return
    name = "best" if results.is_best else "last"
    if records := random_records(dataset, _NUM_EXAMPLES):
        page.heading(f"Random test images, ground truth (left) and detections of the {name} evaluation (right)")
        page.gallery(saved_examples(records, dataset, results.evaluation), tile_width=420)
    page.heading(f"Errors of the {name} evaluation, after {results.source.iterations} iterations")
    add_coco_report(page, results.evaluation, images=_image_folder(dataset))


def _add_predictions(page: Page, summary: RunSummary, dataset: str) -> None:
    """Add random images with the predictions of the saved model."""
    records = random_records(dataset, _NUM_EXAMPLES)
    if not records or summary.weights is None:
        return
    predictor = Predictor.from_run(summary.folder, weights=str(summary.weights))
    page.heading("Random test images, ground truth (left) and predictions (right)")
    page.gallery(predicted_examples(records, dataset, predictor), tile_width=420)


def _image_folder(dataset: str) -> str | None:
    """Return the image folder of a dataset; for records with the paths of the images, the current folder.

    None if the folder does not exist.
    """
    folder = MetadataCatalog.get(dataset).get("image_root") or "."
    return folder if Path(folder).is_dir() else None
