"""Bar plots and histograms."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ._axes import Axes, document, format_number, linear_ticks, series_color, shorten_to, text, top_margin


def bar_plot(
    values: Mapping[str, float],
    *,
    title: str = "",
    x_label: str = "",
    x_range: tuple[float, float] | None = None,
    width: int = 640,
) -> str:
    """Return a plot of one horizontal bar per name, with its value at the end.

    Args:
        values: Values by name, drawn from top to bottom in this order. Instead of a NaN or infinite value, "n/a" is
            written.
        title: Title of the plot; empty for no title.
        x_label: Label of the x axis; empty for no label.
        x_range: (low, high) of the x axis; by default the range of 0 and the values.
        width: Width in SVG units; the height follows from the number of bars.

    Returns:
        The text of an `<svg>` element, which is also a valid SVG file.
    """
    finite = [float(v) for v in values.values() if math.isfinite(v)]
    low, high = x_range or (min([0.0, *finite]), max([0.0, *finite]))
    if high <= low:
        high = low + 1
    row, left = 24, min(int(7 * max((len(name) for name in values), default=0)) + 24, width // 2)
    top, bottom = (36 if title else 12), (44 if x_label else 28)
    height = top + row * max(len(values), 1) + bottom
    axes = Axes((low, high), (0, 1), width, height, left=left, right=58, top=top, bottom=bottom)
    parts = []
    for tick in linear_ticks(low, high):
        x = axes.x(tick)
        parts.append(f'<line class="dt-grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{height - bottom}"/>')
        parts.append(text(x, height - bottom + 16, format_number(tick), anchor="middle"))
    for index, (name, value) in enumerate(values.items()):
        y = top + row * index
        parts.append(text(left - 8, y + 16, shorten_to(name, left - 12), anchor="end"))
        if not math.isfinite(value):
            parts.append(text(axes.x(max(low, 0)) + 6, y + 16, "n/a"))
            continue
        start, end = sorted((axes.x(min(max(0.0, low), high)), axes.x(min(max(float(value), low), high))))
        parts.append(
            f'<rect x="{start:.1f}" y="{y + 4}" width="{end - start:.1f}" height="{row - 8}" rx="2" '
            f'fill="{series_color(0)}"/>'
        )
        parts.append(text(end + 6, y + 16, format_number(float(value))))
    parts.append(text((left + width - 58) / 2, height - 8, x_label, anchor="middle"))
    return document(width, height, title, parts)


def histogram_plot(
    samples: Mapping[str, Sequence[float]],
    *,
    bins: int = 30,
    value_range: tuple[float, float] | None = None,
    title: str = "",
    x_label: str = "",
    y_label: str = "count",
    width: int = 640,
    height: int = 320,
) -> str:
    """Return a plot of one translucent histogram per name.

    Args:
        samples: Values by name; NaN and infinite values are ignored.
        bins: Number of bins of equal width, at least 1.
        value_range: (low, high) of the bins; by default the range of the values.
        title: Title of the plot; empty for no title.
        x_label: Label of the x axis; empty for no label.
        y_label: Label of the y axis; empty for no label.
        width: Width in SVG units.
        height: Height in SVG units.

    Returns:
        The text of an `<svg>` element.

    Raises:
        ValueError: If `bins` is less than 1.
    """
    if bins < 1:
        raise ValueError(f"histogram_plot: bins must be at least 1, got {bins}")
    arrays = {name: np.asarray(values, dtype=np.float64).ravel() for name, values in samples.items()}
    arrays = {name: values[np.isfinite(values)] for name, values in arrays.items()}
    filled = [values for values in arrays.values() if len(values)]
    low, high = value_range or ((min(v.min() for v in filled), max(v.max() for v in filled)) if filled else (0.0, 1.0))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    counts = {name: np.histogram(values, bins=edges)[0] for name, values in arrays.items()}
    max_count = max((int(c.max()) for c in counts.values()), default=0)
    names = list(samples) if any(samples) else []
    axes = Axes((low, high), (0, max_count * 1.05 or 1), width, height, top=top_margin(names, width))
    parts = axes.frame(x_label, y_label) + axes.legend(names)
    for index, values in enumerate(counts.values()):
        for start, end, count in zip(edges[:-1], edges[1:], values, strict=True):
            if count:
                x, y = axes.x(start), axes.y(count)
                parts.append(
                    f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" width="{max(axes.x(end) - x - 1, 0.5):.1f}" '
                    f'height="{axes.y(0) - y:.1f}" fill="{series_color(index)}" opacity="0.65">'
                    f"<title>{format_number(start)} – {format_number(end)}: {count}</title></rect>"
                )
    return document(width, height, title, parts)
