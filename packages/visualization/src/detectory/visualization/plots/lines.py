"""Line plots and precision-recall curves."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from ._axes import Axes, data_range, document, left_margin, series_color, top_margin

_MAX_POINTS = 1200


def line_plot(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    log_y: bool = False,
    smoothing: float = 0.0,
    dashed: Collection[str] = (),
    width: int = 640,
    height: int = 360,
) -> str:
    """Return a plot of one curve per series.

    Args:
        series: (x values, y values) by name; x is ascending, and NaN or infinite y values leave gaps.
        title: Title of the plot; empty for no title.
        x_label: Label of the x axis; empty for no label.
        y_label: Label of the y axis; empty for no label.
        x_range: (low, high) of the x axis; by default the range of the data.
        y_range: (low, high) of the y axis; by default the range of the data with a margin.
        log_y: Whether the y axis is logarithmic; y values of 0 or less leave gaps.
        smoothing: Decay in [0, 1) of the exponential moving average that is drawn over the faint original curve; 0
            draws the original curve only.
        dashed: Names of the series that are drawn as dashed lines.
        width: Width in SVG units; a page scales the plot to the available width.
        height: Height in SVG units.

    Returns:
        The text of an `<svg>` element, which is also a valid SVG file.

    Raises:
        ValueError: If x and y of a series differ in length, or `smoothing` is outside [0, 1).
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"line_plot: smoothing must be in [0, 1), got {smoothing}")
    curves = {name: _points(name, x, y, log_y) for name, (x, y) in series.items()}
    x_range = x_range or _finite_range(point[0] for curve in curves.values() for point in curve)
    y_values = [point[1] for curve in curves.values() for point in curve if math.isfinite(point[1])]
    if y_range is None:
        y_range = (min(y_values) / 1.2, max(y_values) * 1.2) if log_y and y_values else data_range(y_values)
    names = list(series)
    log_y = log_y and bool(y_values)
    left, top = left_margin(y_range, log_y), top_margin(names, width)
    axes = Axes(x_range, y_range, width, height, log_y=log_y, left=left, top=top)
    parts = axes.frame(x_label, y_label) + axes.legend(names)
    for index, (name, curve) in enumerate(curves.items()):
        thinned = _thinned(curve)
        dash = ' stroke-dasharray="5 4"' if name in dashed else ""
        stroke = f'fill="none" stroke="{series_color(index)}" stroke-linejoin="round"{dash}'
        if smoothing:
            parts.append(f'<path d="{_path(axes, thinned)}" {stroke} stroke-width="1" opacity="0.3"/>')
            thinned = _thinned(_smoothed(curve, smoothing))
        parts.append(f'<path d="{_path(axes, thinned)}" {stroke} stroke-width="2"/>')
        parts += [
            f'<circle cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="3" fill="{series_color(index)}"/>'
            for x, y in _isolated(thinned)
        ]
    return document(width, height, title, parts)


def precision_recall_plot(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str = "Precision and recall",
    width: int = 640,
    height: int = 400,
) -> str:
    """Return a plot of precision over recall.

    Args:
        curves: (recall values, precision values), both in [0, 1], by name, for example of a class or an IoU threshold.
            A precision of -1, with which COCO marks missing ground truth, leaves a gap.
        title: Title of the plot; empty for no title.
        width: Width in SVG units.
        height: Height in SVG units.

    Returns:
        The text of an `<svg>` element.
    """
    cleaned = {
        name: (recall, [p if p >= 0 else math.nan for p in precision]) for name, (recall, precision) in curves.items()
    }
    return line_plot(
        cleaned,
        title=title,
        x_label="recall",
        y_label="precision",
        x_range=(0, 1),
        y_range=(0, 1.02),
        width=width,
        height=height,
    )


def _points(name: str, x: Sequence[float], y: Sequence[float], log_y: bool) -> list[tuple[float, float]]:
    if len(x) != len(y):
        raise ValueError(f"line_plot: series {name!r} has {len(x)} x values and {len(y)} y values")
    values = [float(v) if v is not None and not (log_y and v <= 0) else math.nan for v in y]
    return list(zip(map(float, x), values, strict=True))


def _finite_range(values: Iterable[float]) -> tuple[float, float]:
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _smoothed(curve: list[tuple[float, float]], weight: float) -> list[tuple[float, float]]:
    """Return the exponential moving average, divided by the sum of its weights to remove the bias towards zero."""
    mean = total = 0.0
    result = []
    for x, y in curve:
        if math.isfinite(y):
            mean, total = weight * mean + (1 - weight) * y, weight * total + (1 - weight)
            result.append((x, mean / total))
        else:
            result.append((x, y))
    return result


def _thinned(curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Reduce a long curve to the minimum and maximum of each of 600 intervals, which keeps spikes visible."""
    if len(curve) <= _MAX_POINTS:
        return curve
    interval = math.ceil(2 * len(curve) / _MAX_POINTS)
    kept = []
    for start in range(0, len(curve), interval):
        chunk = curve[start : start + interval]
        finite = [point for point in chunk if math.isfinite(point[1])]
        if finite:
            low, high = min(finite, key=lambda p: p[1]), max(finite, key=lambda p: p[1])
            kept.extend(sorted({low, high}))
        else:
            kept.append(chunk[0])
    return kept


def _isolated(curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points without a neighbour to draw a line to."""
    finite = [False, *(math.isfinite(y) for _, y in curve), False]
    return [point for i, point in enumerate(curve, start=1) if finite[i] and not (finite[i - 1] or finite[i + 1])]


def _path(axes: Axes, curve: list[tuple[float, float]]) -> str:
    parts, pen_down = [], False
    for x, y in curve:
        if not math.isfinite(y):
            pen_down = False
            continue
        y = min(max(y, axes.y_range[0]), axes.y_range[1])
        parts.append(f"{'L' if pen_down else 'M'}{axes.x(x):.1f} {axes.y(y):.1f}")
        pen_down = True
    return "".join(parts)
