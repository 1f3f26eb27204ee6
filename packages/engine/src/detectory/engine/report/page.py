"""The report of a run, one self-contained HTML page: metrics, curves, plan, errors, images and environment."""

import logging
from collections.abc import Callable
from pathlib import Path

from detectory.engine.report.result_sections import add_results
from detectory.engine.report.run_sections import (
    add_curves,
    add_end,
    add_environment,
    add_evaluations,
    add_files,
    add_parts,
    add_plan,
    summary_cards,
)
from detectory.engine.report.run_summary import REPORT_FILE, RunSummary, read_run, test_dataset
from detectory.visualization.html import Page

_logger = logging.getLogger(__name__)


def write_report(run: str | Path, *, output: str | Path | None = None, quick: bool = False) -> Path:
    """Write the report of a run folder, finished or not, from its files, and return the path.

    The detections that the last (or best) evaluation saved are compared with the ground truth. If there are none, for
    example after a training without evaluation or of a panoptic model, the saved model predicts a few test images. A
    section that cannot be written, for example because the dataset was removed, contains the reason.

    Args:
        run: The run folder. Its dataset must be registered for the sections with images.
        output: The file to write; by default `report.html` in the run folder.
        quick: Leave out what takes longer than a few seconds: predictions, and the analysis of many detections.

    Raises:
        FileNotFoundError: If the folder does not contain a run.
        OSError: If the file cannot be written.
    """
    folder = Path(run)
    summary = read_run(folder)
    dataset = test_dataset(folder)
    page = Page(f"Training run {folder.resolve().name}", _subtitle(summary, dataset))
    page.cards(summary_cards(summary))
    add_end(page, summary)
    sections: dict[str, Callable[[], None]] = {
        "Plan": lambda: add_plan(page, summary),
        "Curves": lambda: add_curves(page, summary),
        "Best and last evaluation": lambda: add_evaluations(page, summary),
        "Evaluation": lambda: add_results(page, summary, dataset, quick),
        "Time and memory": lambda: add_parts(page, summary),
        "Environment": lambda: add_environment(page, summary),
        "Files": lambda: add_files(page, summary),
    }
    for title, add in sections.items():
        try:
            add()
        except Exception as error:  # noqa: BLE001 - one broken section must not prevent the others
            _logger.warning("report: section '%s' is incomplete: %s: %s", title, type(error).__name__, error)
            page.text(f"The section '{title}' is incomplete: {type(error).__name__}: {error}")
    path = Path(output or folder / REPORT_FILE)
    try:
        return page.save(path)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror}. Choose another output file") from error


def _subtitle(summary: RunSummary, dataset: str | None) -> str:
    parts = [summary.end.partition(":")[0], f"evaluated on {dataset}" if dataset else ""]
    return ", ".join(part for part in parts if part).capitalize()
