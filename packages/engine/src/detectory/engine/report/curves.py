"""Training curves: the scalars of a run's metrics.json, plotted per run or compared across runs."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from detectory.core.suggestions import nearest
from detectory.visualization.plots import line_plot

#: Scalar name -> (iterations, values).
History = dict[str, tuple[list[float], list[float]]]
_MAX_CURVES = 8


def read_history(run: Path) -> History:
    """Read the scalars of a run folder or a metrics.json file; scalars without finite values are omitted.

    If an iteration occurs twice, as after a resumed training, the later line is used. An incomplete last line, written
    by a process that was killed, is ignored.

    Raises:
        FileNotFoundError: If there is no metrics.json.
        ValueError: If a line is not a JSON object with an iteration and numbers; the message contains its number.
    """
    path = run / "metrics.json" if run.is_dir() else run
    if not path.is_file():
        raise FileNotFoundError(f"{run}: not a run folder of detectory train: metrics.json is missing")
    values: dict[str, dict[float, float]] = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break
        try:
            row = json.loads(line)
            iteration = float(row.pop("iteration"))
            scalars = {name: float(value) for name, value in row.items()}
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(
                f"{path}: line {number}: expected a JSON object with 'iteration' and numbers, got {line.strip()[:80]}"
            ) from error
        for name, value in scalars.items():
            values.setdefault(name, {})[iteration] = value
    return {
        name: (sorted(points), [points[iteration] for iteration in sorted(points)])
        for name, points in values.items()
        if any(map(math.isfinite, points.values()))
    }


def plot_curves(
    histories: Mapping[str, History], *, patterns: Sequence[str] = (), smoothing: float = 0.6, log_y: bool = False
) -> list[str]:
    """Plot the scalars of runs and return the plots as SVG.

    For a single run, related scalars (losses, the metrics of a task, …) share a plot. For several runs, every scalar
    has its own plot with one curve per run.

    Args:
        histories: Run name to scalars, see `read_history`.
        patterns: Names or shell patterns of the scalars to plot; by default all of them.
        smoothing: Smoothing of losses and times, see `line_plot`.
        log_y: Use a logarithmic axis for losses.

    Raises:
        ValueError: If no run has a scalar that matches a pattern; the message lists the nearest names.
    """
    known = list(dict.fromkeys(name for history in histories.values() for name in history))
    names = _select(known, patterns)
    if len(histories) == 1:
        (history,) = histories.values()
        groups = [(title, {name: history[name] for name in family}) for title, family in _group_related(names)]
    else:
        groups = [(name, {run: own[name] for run, own in histories.items() if name in own}) for name in names]
    plots = []
    for title, series in groups:
        is_noisy = _is_noisy(title)
        labelled = {name if len(series) > 1 else "": _with_gaps(points) for name, points in series.items()}
        plots.append(
            line_plot(
                labelled,
                title=title,
                x_label="iteration",
                log_y=log_y and "loss" in title.lower(),
                smoothing=smoothing if is_noisy else 0.0,
            )
        )
    return plots


def _select(known: list[str], patterns: Iterable[str]) -> list[str]:
    patterns = list(patterns)
    selected = [name for name in known if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise ValueError(f"no run has a scalar '{pattern}': {nearest(pattern, known)}")
    if not selected:
        raise ValueError("the runs do not contain scalars yet")
    return selected


def _group_related(names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Group scalars that can share an axis (losses, times, the metrics of a task), at most `_MAX_CURVES` per group."""
    groups: dict[str, list[str]] = {}
    for name in names:
        if "/" in name:
            scope, _, rest = name.rpartition("/")
            # Per-class AP is separate from the summary metrics; losses of a validation set form one group.
            family = f"{scope} by class" if rest.startswith("AP-") else scope
        elif "loss" in name:
            family = "Losses"
        elif name in ("time", "data_time"):
            family = "seconds"
        else:
            family = name
        groups.setdefault(family, []).append(name)
    parts = []
    for family, members in groups.items():
        members.sort(key=lambda name: name != "total_loss")
        for start in range(0, len(members), _MAX_CURVES):
            title = family if len(members) <= _MAX_CURVES else f"{family} ({start // _MAX_CURVES + 1})"
            parts.append((title, members[start : start + _MAX_CURVES]))
    return parts


def _is_noisy(title: str) -> bool:
    return title in ("seconds", "time", "data_time") or ("loss" in title.lower() and "/" not in title)


def _with_gaps(points: tuple[list[float], list[float]]) -> tuple[list[float], list[float]]:
    """Replace infinities by NaN, which is plotted as a gap."""
    return points[0], [y if math.isfinite(y) else math.nan for y in points[1]]
