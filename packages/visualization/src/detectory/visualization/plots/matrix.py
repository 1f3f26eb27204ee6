"""Matrix plots, for example of a confusion matrix."""

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from ._axes import document, format_number, series_color, shorten_to, text


def matrix_plot(
    matrix: npt.ArrayLike,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    width: int = 640,
) -> str:
    """Return a plot of a matrix as coloured cells; the opacity of a cell is its fraction of the sum of its row.

    Args:
        matrix: (R, K) non-negative values. They are written into the cells if the cells are large enough, and shown as
            tooltips.
        row_labels: R names.
        column_labels: K names.
        title: Title of the plot; empty for no title.
        x_label: Label of the columns; empty for no label.
        y_label: Label of the rows; empty for no label.
        width: Width in SVG units; the height depends on the number of rows.

    Returns:
        The text of an `<svg>` element, which is also a valid SVG file.

    Raises:
        ValueError: If the labels do not match the shape of the matrix.
    """
    cells = np.asarray(matrix, dtype=np.float64)
    if cells.ndim != 2 or cells.shape != (len(row_labels), len(column_labels)):
        expected = (len(row_labels), len(column_labels))
        raise ValueError(f"matrix_plot: matrix must have the shape of its labels {expected}, got {cells.shape}")
    longest = max((len(name) for name in row_labels), default=0)
    left, top = 7 * longest + 36, 7 * max((len(name) for name in column_labels), default=0) * 0.75 + 48
    size = min(max((width - left - 16) / max(len(column_labels), 1), 8), 56)
    height = int(top + size * len(row_labels) + (32 if x_label else 12))
    fractions = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1e-12)
    parts = []
    for k, name in enumerate(column_labels):
        x = left + size * (k + 0.5) + 4
        parts.append(text(x, top - 6, name, extra=f' transform="rotate(-45 {x:.1f} {top - 6:.1f})"'))
    for r, name in enumerate(row_labels):
        y = top + size * r
        parts.append(text(left - 8, y + size / 2 + 4, name, anchor="end"))
        for k, column in enumerate(column_labels):
            x, value = left + size * k, cells[r, k]
            opacity = 0.04 + 0.96 * fractions[r, k]
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{size - 1:.1f}" height="{size - 1:.1f}" rx="2" '
                f'fill="{series_color(0)}" fill-opacity="{opacity:.2f}">'
                f"<title>{escape(name)} → {escape(column)}: {format_number(value)}</title></rect>"
            )
            if size >= 26 and value:
                color = ' style="fill:#fff"' if opacity > 0.55 else ""
                parts.append(text(x + size / 2, y + size / 2 + 4, format_number(value), anchor="middle", extra=color))
    parts.append(text(left + size * len(column_labels) / 2, height - 8, x_label, anchor="middle"))
    middle = top + size * len(row_labels) / 2
    y_label = shorten_to(y_label, 2 * min(middle, height - middle))
    parts.append(text(14, middle, y_label, anchor="middle", extra=f' transform="rotate(-90 14 {middle:.1f})"'))
    # The rotated label of the last column extends beyond the last cell.
    right = 0.75 * 7 * len(column_labels[-1]) if len(column_labels) else 0
    return document(max(width, int(left + size * len(column_labels) + 16 + right)), height, title, parts)
