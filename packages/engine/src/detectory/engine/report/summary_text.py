"""Texts about a run: metrics, durations and sizes, the table at the end of a training and the next commands."""

import math
import shlex
from pathlib import Path

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.engine.hooks.expected_duration import format_duration
from detectory.engine.report.run_summary import REPORT_FILE, RunSummary, test_dataset

_MAX_CLASSES = 12


def format_summary(summary: RunSummary) -> str:
    """Return a table of the best and the last evaluation, with the AP of each class if there are few, time and memory.

    Example::

        evaluation           best   last
        iterations            864   1080
        box AP              43.21  42.90
        box AP of red cell  61.07  60.11

        1080 of 1080 iterations in 2 h 10 min (0.43 s per iteration), 3.2 GiB of memory
    """
    lines = []
    if summary.last is not None and summary.best is not None:
        is_same = summary.best.iterations == summary.last.iterations
        chosen = {"best": summary.best, "last": summary.last} if not is_same else {"best and last": summary.last}
        rows = [["evaluation", *chosen], ["iterations", *(str(one.iterations) for one in chosen.values())]]
        for metric, label in metric_labels(summary, _MAX_CLASSES).items():
            rows.append([label, *(format_metric(one.metrics.get(metric)) for one in chosen.values())])
        lines += [*_aligned(rows), ""]
    return "\n".join([*lines, format_progress(summary)])


def format_progress(summary: RunSummary) -> str:
    """Return one line with the completed iterations, the time and the memory of a run."""
    total = f" of {summary.max_iter}" if summary.max_iter is not None else ""
    line = f"{summary.iterations}{total} iterations"
    if summary.seconds is not None:
        line += f" in {format_duration(summary.seconds)}"
    if summary.seconds_per_iteration is not None:
        line += f" ({summary.seconds_per_iteration:.2g} s per iteration)"
    if summary.peak_memory is not None:
        line += f", {format_bytes(summary.peak_memory)} of memory"
    return line


def next_commands(summary: RunSummary, images: str | None = None) -> list[str]:
    """Return the commands that usually follow a training: predictions, evaluation and export.

    Args:
        summary: The run.
        images: Images for the predictions, such as the image folder of the validation data.
    """
    run = shlex.quote(str(summary.folder))
    inputs = shlex.quote(images) if images else "IMAGES"
    return [
        f"detectory predict {inputs} --run {run}",
        f"detectory eval --run {run}",
        f"detectory export {run} --output {shlex.quote(str(summary.folder / 'model.onnx'))}",
    ]


def describe_run(summary: RunSummary) -> str:
    """Return what `detectory train` prints at its end: the table, the report page and the next commands."""
    images = test_images(summary.folder)
    commands = "\n".join(f"  {command}" for command in next_commands(summary, images))
    page = summary.folder / REPORT_FILE
    report = f"report: {page}\n\n" if page.is_file() else ""
    return f"{format_summary(summary)}\n{report}Next:\n{commands}"


def test_images(run: Path) -> str | None:
    """Return the image folder of the test set of a run, or None if it is unknown."""
    dataset = test_dataset(run)
    if dataset is None or dataset not in DatasetCatalog:
        return None
    folder = MetadataCatalog.get(dataset).get("image_root")
    return str(folder) if folder and Path(folder).is_dir() else None


def metric_labels(summary: RunSummary, max_classes: int) -> dict[str, str]:
    """Map the headline metrics of a run to their labels, followed by the AP of each class if there are few classes."""
    labels = dict(summary.labels)
    names = summary.last.metrics if summary.last is not None else {}
    for metric, label in summary.labels.items():
        classes = [name for name in names if name.startswith(f"{metric}-")]
        if len(classes) <= max_classes:
            labels |= {name: f"{label} of {name.removeprefix(f'{metric}-')}" for name in classes}
    return labels


def format_metric(value: float | None) -> str:
    """Return a metric with two decimals, or a dash if it is undefined."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.2f}"


def format_bytes(size: int) -> str:
    """Return a size with its unit, such as "3.2 GiB"."""
    for unit, power in (("GiB", 30), ("MiB", 20)):
        if size >= 2**power:
            return f"{size / 2**power:.3g} {unit}"
    return f"{size / 2**10:.3g} KiB"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
