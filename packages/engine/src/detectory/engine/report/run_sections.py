"""Sections of a run's report that need only its small files: plan, curves, evaluations, time, environment, files."""

import math

from detectory.engine.hooks.expected_duration import format_duration
from detectory.engine.hooks.headline_metrics import metric_label
from detectory.engine.recipe.run_folder import CONFIG_FILE
from detectory.engine.report.curves import History, plot_curves
from detectory.engine.report.run_summary import RunSummary
from detectory.engine.report.summary_text import format_bytes, metric_labels
from detectory.visualization.html import Page
from detectory.visualization.plots import line_plot

_MAX_CLASSES = 24
_MAX_CURVES = 8
#: Metrics of a task that the table lists next to the headline metrics; the error analysis has the others.
_COCO_TASKS, _COCO_METRICS = ("bbox", "segm", "keypoints"), ("AP", "AP50", "AP75")


def summary_cards(summary: RunSummary) -> dict[str, str | float]:
    """Return the values of the cards at the top of the page."""
    cards: dict[str, str | float] = {}
    for name, label in summary.labels.items():
        if summary.best is not None:
            cards[f"best {label}"] = _short(summary.best.metrics.get(name))
        if summary.last is not None and summary.last is not summary.best:
            cards[f"last {label}"] = _short(summary.last.metrics.get(name))
    total = f" of {summary.max_iter}" if summary.max_iter is not None else ""
    cards["iterations"] = f"{summary.iterations}{total}"
    if summary.seconds is not None:
        cards["duration"] = format_duration(summary.seconds)
    if summary.peak_memory is not None:
        cards["peak memory"] = format_bytes(summary.peak_memory)
    return cards


def _short(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.1f}"


def add_end(page: Page, summary: RunSummary) -> None:
    """Explain how a training that did not finish has ended."""
    state, _, reason = summary.end.partition(": ")
    if state == "stopped":
        page.text(f"The training was stopped after {summary.iterations} of {summary.max_iter} iterations: {reason}.")
    elif state == "failed":
        page.text(f"The training failed after {summary.iterations} iterations: {reason}")
    elif state == "running":
        page.text(
            f"The training was still running, or was killed, when this page was written; the record of the run has "
            f"{summary.iterations} of {summary.max_iter} iterations."
        )


def add_plan(page: Page, summary: RunSummary) -> None:
    """Add the plan of the training, if it has one."""
    if summary.plan is None:
        return
    page.heading("Plan")
    page.text(f"{summary.plan.summary()}.")
    page.table(["setting", "value", "reason"], summary.plan.rows(), sortable=False)
    if summary.plan.seconds is not None and summary.seconds is not None and summary.end == "finished":
        page.text(f"The training took {format_duration(summary.seconds)}.")


def add_curves(page: Page, summary: RunSummary) -> None:
    """Add plots of the losses, the metrics, the learning rate and the time per iteration."""
    page.heading("Curves")
    history = summary.history
    losses = {name: points for name, points in history.items() if "loss" in name and "/" not in name}
    validation = {name: points for name, points in history.items() if name.startswith("validation/")}
    plots = plot_curves({"": losses}) if losses else []
    plots += plot_curves({"": validation}) if validation else []
    headlines = {label: history[name] for name, label in summary.labels.items()}
    plots += _metric_plots(headlines, "Evaluations (%)")
    for metric, label in summary.labels.items():
        classes = {name.removeprefix(f"{metric}-"): history[name] for name in history if name.startswith(f"{metric}-")}
        if len(classes) <= _MAX_CLASSES:
            plots += _metric_plots(classes, f"{label} by class (%)")
    titles = {"lr": "Learning rate", "time": "Seconds per iteration"}
    for name, title in titles.items():
        if name in history:
            plots.append(line_plot({"": history[name]}, title=title, x_label="iteration"))
    if plots:
        page.plots(*plots)
    else:
        page.text("The run has not logged any values yet.")
    page.text(f"All logged values: detectory plot {summary.folder}")


def _metric_plots(series: History, title: str) -> list[str]:
    """Plot metrics in percent, at most eight curves per plot."""
    names = list(series)
    plots = []
    for start in range(0, len(names), _MAX_CURVES):
        part = {name: series[name] for name in names[start : start + _MAX_CURVES]}
        heading = title if len(names) <= _MAX_CURVES else f"{title} ({start // _MAX_CURVES + 1})"
        plots.append(line_plot(part, title=heading, x_label="iteration"))
    return plots


def add_evaluations(page: Page, summary: RunSummary) -> None:
    """Add a table of the best and the last evaluation, and a table of all evaluations."""
    page.heading("Best and last evaluation")
    if summary.best is None or summary.last is None:
        page.text("The run has not been evaluated yet.")
        return
    chosen = {"best": summary.best, "last": summary.last}
    if summary.best is summary.last:
        chosen = {"best and last": summary.last}
    labels = metric_labels(summary, _MAX_CLASSES)
    others = [name for name in summary.last.metrics if name not in labels and "-" not in name]
    names = [*labels, *(name for name in others if _is_listed(name))]
    rows: list[list[str | float | None]] = [["iterations", *(one.iterations for one in chosen.values())]]
    for name in names:
        values = [one.metrics.get(name) for one in chosen.values()]
        if any(value is not None and math.isfinite(value) for value in values):
            rows.append([labels.get(name) or metric_label(name), *values])
    saved = "model_best.pth has the weights of the best evaluation." if summary.best_is_saved else ""
    page.table(["metric", *chosen], rows, caption=saved, sortable=False, scroll=len(rows) > 30)
    if len(summary.evaluations) > 1:
        page.table(
            ["iterations", *summary.labels.values()],
            [[one.iterations, *(one.metrics.get(name) for name in summary.labels)] for one in summary.evaluations],
            caption=f"All {len(summary.evaluations)} evaluations.",
            scroll=len(summary.evaluations) > 12,
        )


def _is_listed(name: str) -> bool:
    task, _, metric = name.rpartition("/")
    return task.rpartition("/")[2] not in _COCO_TASKS or metric in _COCO_METRICS


def add_parts(page: Page, summary: RunSummary) -> None:
    """Add a table of the parts of the run: time, memory and how they ended."""
    if not summary.parts:
        return
    page.heading("Time and memory")
    columns = ["part", "started (UTC)", "from iteration", "to", "duration", "peak memory", "processes", "device", "end"]
    rows: list[list[str | float | None]] = []
    for index, part in enumerate(summary.parts, start=1):
        memory, seconds = part.get("peak_memory"), part.get("seconds")
        rows.append(
            [
                index,
                str(part.get("started", "")).replace("T", " ").partition("+")[0],
                part.get("first_iteration"),
                part.get("iterations"),
                None if seconds is None else format_duration(seconds),
                None if memory is None else format_bytes(memory),
                part.get("processes"),
                part.get("device"),
                part.get("end"),
            ]
        )
    page.table(columns, rows, sortable=False, caption="A resumed training adds a part.")


def add_environment(page: Page, summary: RunSummary) -> None:
    """Add a table of the machine and the versions of the last part."""
    environment = summary.parts[-1].get("environment") if summary.parts else None
    if environment:
        page.heading("Environment")
        page.table(["component", "version"], [[name, str(value)] for name, value in environment.items()], scroll=True)


def add_files(page: Page, summary: RunSummary) -> None:
    """Add a table of the important files in the run folder."""
    page.heading("Files")
    contents = {
        CONFIG_FILE: "the complete config",
        "plan.json": "the plan",
        "log.txt": "the log",
        "metrics.json": "all logged values",
        "model_best.pth": "weights of the best evaluation",
        "model_final.pth": "the final checkpoint",
    }
    rows = []
    for name, content in contents.items():
        path = summary.folder / name
        if path.is_file():
            rows.append([name, content, format_bytes(path.stat().st_size)])
    page.table(["file", "content", "size"], rows, sortable=False, caption=str(summary.folder.resolve()))
