"""The demo's result page: loss curves, AP before and after training, predictions and the export check."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detectory.visualization.html import Page
from detectory.visualization.plots import bar_plot, line_plot


@dataclass
class DemoResults:
    """Results of the demo, in the order of the page.

    Attributes:
        title: Title of the page.
        facts: Name to value of the run's key numbers, such as the number of images.
        history: One dict per logged iteration, as in the run's metrics.json.
        before: Metrics before training: task ("bbox", "segm") to metric ("AP", "AP50", …, "AP-<class>") to percent.
        after: Metrics after training, in the same form.
        held_out: (ground truth, predictions, caption) of validation images, RGB uint8.
        unseen: (image, predictions, caption) of images that are not part of the dataset.
        export: Name to value of the comparison between the ONNX model and PyTorch.
        files: Name to path, relative to the page, of the files that the demo wrote.
    """

    title: str
    facts: dict[str, str | float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    before: dict[str, dict[str, float]] = field(default_factory=dict)
    after: dict[str, dict[str, float]] = field(default_factory=dict)
    held_out: list[tuple[np.ndarray, np.ndarray, str]] = field(default_factory=list)
    unseen: list[tuple[np.ndarray, np.ndarray, str]] = field(default_factory=list)
    export: dict[str, str | float] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read metrics.json, which has one JSON object per line; an incomplete last line is ignored."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


def write_page(results: DemoResults, path: Path) -> Path:
    """Write a self-contained HTML page and return its path."""
    page = Page(results.title, "Data, training, evaluation and export, created by detectory demo")
    cards: dict[str, str | float] = {}
    for task, label in (("bbox", "box AP"), ("segm", "mask AP")):
        if task in results.after:
            cards[label] = f"{results.after[task]['AP']:.1f}"
    page.cards({**cards, **results.facts})
    page.heading("Training")
    page.plots(*_training_plots(results.history))
    page.heading("Average precision on validation images")
    columns = ["metric", "boxes before training", "boxes after", "masks before training", "masks after"]
    page.table(columns, _ap_rows(results.before, results.after))
    page.plots(*_class_ap_plots(results.after))
    page.heading("Validation images: ground truth (left) and predictions (right)")
    page.gallery([([truth, prediction], caption) for truth, prediction, caption in results.held_out])
    if results.unseen:
        page.heading("Images outside the dataset: input (left) and predictions (right)")
        page.gallery([([image, prediction], caption) for image, prediction, caption in results.unseen])
    page.heading("ONNX export compared with PyTorch")
    page.table(["comparison", "value"], [list(row) for row in results.export.items()])
    page.heading("Files")
    page.table(["content", "path"], [list(row) for row in results.files.items()])
    return page.save(path)


def _training_plots(history: list[dict[str, Any]]) -> list[str]:
    """Plot the losses and the learning rate over the iterations."""
    series: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for row in history:
        for name, value in row.items():
            if name.startswith("loss") or name in {"total_loss", "lr"}:
                series[name][0].append(row["iteration"])
                series[name][1].append(value)
    learning_rate = series.pop("lr", None)
    losses = dict(sorted(series.items(), key=lambda item: item[0] != "total_loss"))
    plots = [line_plot(losses, title="Losses", x_label="iteration", smoothing=0.8)]
    if learning_rate:
        plots.append(line_plot({"lr": learning_rate}, title="Learning rate", x_label="iteration"))
    return plots


def _ap_rows(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> list[list[str | float | None]]:
    """Return one row per metric with a value: boxes before and after training, then masks before and after."""
    rows: list[list[str | float | None]] = []
    for metric in (name for name in after["bbox"] if not name.startswith("AP-")):
        values = [
            _percent(results.get(task, {}).get(metric)) for task in ("bbox", "segm") for results in (before, after)
        ]
        if any(value is not None for value in values):
            rows.append([metric, *values])
    return rows


def _percent(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(value, 1)


def _class_ap_plots(after: dict[str, dict[str, float]]) -> list[str]:
    titles = {"bbox": "Box AP per class", "segm": "Mask AP per class"}
    plots = []
    for task, metrics in after.items():
        values = {name[3:]: _percent(value) for name, value in metrics.items() if name.startswith("AP-")}
        classes = {name: value for name, value in values.items() if value is not None}
        if 1 < len(classes) <= 80:
            plots.append(bar_plot(classes, title=titles.get(task, task)))
    return plots
