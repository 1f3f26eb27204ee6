"""The scalars of runs, read from metrics.json and drawn one plot a subject."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from PIL import Image

from detectory.core.storage import atomic_write
from detectory.core.suggestions import nearest
from detectory.visualization.html import Page
from detectory.visualization.plots import line_plot, plot_image

#: Scalar -> (x values, y values).
History = dict[str, tuple[list[float], list[float]]]
_MOST_CURVES = 8


def read_run(run: Path) -> History:
    """Read a run's folder or its metrics.json; scalars that never have a finite value are left out.

    Of an iteration that stands there twice the later line counts.

    Raises:
        FileNotFoundError: there is no metrics.json.
        ValueError: a line is no JSON object with an iteration; the message names it. A last line that a kill cut off
            is left out.
    """
    path = run / "metrics.json" if run.is_dir() else run
    if not path.is_file():
        raise FileNotFoundError(f"{run}: no run of detectory train: it holds no metrics.json")
    values: dict[str, dict[float, float]] = {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break
        try:
            row = json.loads(line)
            iteration = float(row.pop("iteration"))
            scalars = {name: float(value) for name, value in row.items()}
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(
                f"{path}, line {number}: expected a JSON object with 'iteration' and numbers, got {line.strip()[:80]}"
            ) from error
        for name, value in scalars.items():
            values.setdefault(name, {})[iteration] = value
    return {
        name: (sorted(found), [found[x] for x in sorted(found)])
        for name, found in values.items()
        if any(map(math.isfinite, found.values()))
    }


def draw_curves(
    histories: Mapping[str, History], *, patterns: Sequence[str] = (), smoothing: float = 0.6, log_y: bool = False
) -> list[str]:
    """Draw the runs' scalars and return SVG plots.

    One run gets a plot for each family (losses, each task's metrics, …) with a curve a scalar; several runs get a plot
    for each scalar with a curve a run.

    Args:
        histories: Name of the run to its scalars.
        patterns: Names or shell patterns of the scalars to draw; all of them without any.
        smoothing: Of noisy scalars, see `line_plot`.
        log_y: A logarithmic axis for losses.

    Raises:
        ValueError: no run has a scalar that fits; the nearest names are told.
    """
    known = list(dict.fromkeys(name for history in histories.values() for name in history))
    wanted = _chosen(known, patterns)
    if len(histories) == 1:
        (history,) = histories.values()
        groups = [(title, {name: history[name] for name in names}) for title, names in _families(wanted)]
    else:
        groups = [(name, {run: own[name] for run, own in histories.items() if name in own}) for name in wanted]
    plots = []
    for title, series in groups:
        is_noisy = _is_noisy(title)
        shown = {name if len(series) > 1 else "": _finite(points) for name, points in series.items()}
        plots.append(
            line_plot(
                shown,
                title=title,
                x_label="iteration",
                log_y=log_y and "loss" in title.lower(),
                smoothing=smoothing if is_noisy else 0.0,
            )
        )
    return plots


def write_curves(plots: Sequence[str], output: Path, title: str) -> None:
    """Write plots as a page (.html) or below each other as one picture (.png, .svg with a single plot).

    Raises:
        ValueError: another suffix, or several plots for one .svg.
    """
    suffix = output.suffix.lower()
    if suffix == ".html":
        Page(title, "Curves of training runs").plots(*plots).save(output)
    elif suffix == ".png":
        images = [plot_image(svg) for svg in plots]
        columns = 1 if len(images) == 1 else 2
        rows = [images[start : start + columns] for start in range(0, len(images), columns)]
        sheet = Image.new("RGB", (columns * images[0].width, sum(row[0].height for row in rows)), "white")
        top = 0
        for row in rows:
            for column, image in enumerate(row):
                sheet.paste(image, (column * images[0].width, top))
            top += row[0].height
        with atomic_write(output) as file:
            sheet.save(file, "PNG")
    elif suffix == ".svg" and len(plots) == 1:
        with atomic_write(output, "w") as file:
            file.write(plots[0])
    elif suffix == ".svg":
        raise ValueError(f"{output}: one .svg holds one plot, these are {len(plots)}: choose by --metric, or .html")
    else:
        raise ValueError(f"{output}: expected a name that ends with .html, .png or .svg")


def _chosen(known: list[str], patterns: Iterable[str]) -> list[str]:
    patterns = list(patterns)
    chosen = [name for name in known if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise ValueError(f"no run has a scalar '{pattern}': {nearest(pattern, known)}")
    if not chosen:
        raise ValueError("the runs hold no scalars yet")
    return chosen


def _families(names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Group scalars that share an axis: losses, the seconds, each task's figures; at most eight curves a plot."""
    groups: dict[str, list[str]] = {}
    for name in names:
        if "/" in name:
            scope, _, rest = name.rpartition("/")
            # Classes apart from the summary, and the validation's losses together.
            family = f"{scope} by class" if rest.startswith("AP-") else scope
        elif "loss" in name:
            family = "losses"
        elif name in ("time", "data_time"):
            family = "seconds"
        else:
            family = name
        groups.setdefault(family, []).append(name)
    parts = []
    for family, members in groups.items():
        members.sort(key=lambda name: name != "total_loss")
        for start in range(0, len(members), _MOST_CURVES):
            title = family if len(members) <= _MOST_CURVES else f"{family} ({start // _MOST_CURVES + 1})"
            parts.append((title, members[start : start + _MOST_CURVES]))
    return parts


def _is_noisy(title: str) -> bool:
    return title in ("losses", "seconds", "time", "data_time") or ("loss" in title and "/" not in title)


def _finite(points: tuple[list[float], list[float]]) -> tuple[list[float], list[float]]:
    """Mark what is not finite (an AP of a class without objects) as a gap."""
    return points[0], [y if math.isfinite(y) else math.nan for y in points[1]]
