"""The demo's page: loss curves, AP before and after, ground truth beside predictions, what the export gave."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detectory.visualization.html import Page
from detectory.visualization.plots import bar_plot, line_plot


@dataclass
class Story:
    """What the demo found out, in the order in which the page tells it.

    Attributes:
        title: Of the page.
        facts: Name to value of the run: images, parameters, minutes.
        history: One dict an iteration that was written, as in the run's metrics.json.
        before, after: Task ("bbox", "segm") to metric ("AP", "AP50", …, "AP-<class>") to percent.
        pairs: (ground truth, prediction, caption) of images that the model was not trained on, RGB uint8.
        unseen: (photograph, prediction, caption) of photographs in no dataset.
        export: Name to value: what comparing the ONNX model with eager gave.
        files: Name to path of what the run leaves, relative to the page.
    """

    title: str
    facts: dict[str, str | float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    before: dict[str, dict[str, float]] = field(default_factory=dict)
    after: dict[str, dict[str, float]] = field(default_factory=dict)
    pairs: list[tuple[np.ndarray, np.ndarray, str]] = field(default_factory=list)
    unseen: list[tuple[np.ndarray, np.ndarray, str]] = field(default_factory=list)
    export: dict[str, str | float] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read metrics.json, one JSON object a line; a last line cut off by a kill is left out."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


def write_page(story: Story, path: Path) -> Path:
    """Write the page, self-contained, and return its path."""
    page = Page(story.title, "Made by one command: data, training, evaluation, export and this page.")
    figures: dict[str, str | float] = {}
    for task, label in (("bbox", "box AP"), ("segm", "mask AP")):
        if task in story.after:
            figures[label] = f"{story.after[task]['AP']:.1f}"
    page.cards({**figures, **story.facts})
    page.heading("Training")
    page.plots(*_curves(story.history))
    page.heading("Average precision on held-out images")
    columns = ["metric", "boxes before training", "boxes after", "masks before training", "masks after"]
    page.table(columns, _ap_rows(story.before, story.after))
    page.plots(*_per_class(story.after))
    page.heading("Held-out images: ground truth (left), prediction (right)")
    page.gallery([([truth, prediction], caption) for truth, prediction, caption in story.pairs])
    if story.unseen:
        page.heading("Photographs it never saw: photograph (left), prediction (right)")
        page.gallery([([photo, prediction], caption) for photo, prediction, caption in story.unseen])
    page.heading("The exported model against eager")
    page.table(["what", "value"], [list(row) for row in story.export.items()])
    page.heading("Files of this run")
    page.table(["what", "path"], [list(row) for row in story.files.items()])
    return page.save(path)


def _curves(history: list[dict[str, Any]]) -> list[str]:
    """Plots of the losses and of the learning rate over iterations."""
    series: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for row in history:
        for name, value in row.items():
            if name.startswith("loss") or name in {"total_loss", "lr"}:
                series[name][0].append(row["iteration"])
                series[name][1].append(value)
    rate = series.pop("lr", None)
    losses = dict(sorted(series.items(), key=lambda item: item[0] != "total_loss"))
    plots = [line_plot(losses, title="Losses", x_label="iteration", smoothing=0.8)]
    if rate:
        plots.append(line_plot({"lr": rate}, title="Learning rate", x_label="iteration"))
    return plots


def _ap_rows(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> list[list[str | float | None]]:
    """One row a metric that has a value: of boxes before and after, of masks before and after."""
    metrics = [name for name in after["bbox"] if not name.startswith("AP-")]
    rows: list[list[str | float | None]] = []
    for metric in metrics:
        values = [
            _percent(results.get(task, {}).get(metric)) for task in ("bbox", "segm") for results in (before, after)
        ]
        if any(value is not None for value in values):
            rows.append([metric, *values])
    return rows


def _percent(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(value, 1)


def _per_class(after: dict[str, dict[str, float]]) -> list[str]:
    titles = {"bbox": "Box AP by class", "segm": "Mask AP by class"}
    plots = []
    for task, metrics in after.items():
        values = {name[3:]: _percent(value) for name, value in metrics.items() if name.startswith("AP-")}
        classes = {name: value for name, value in values.items() if value is not None}
        if 1 < len(classes) <= 80:
            plots.append(bar_plot(classes, title=titles.get(task, task)))
    return plots
