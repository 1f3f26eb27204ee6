"""Metrics as Markdown tables for the log."""

import math
from collections.abc import Mapping, Sequence


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Return a table with one column per metric; NaN is written as "-"."""
    return _table(list(metrics), [[_format_number(value) for value in metrics.values()]])


def format_categories(metrics: Mapping[str, float], columns: int = 3, heading: str = "AP") -> str:
    """Return a table of one metric per class, with several (class, value) pairs per row.

    Args:
        metrics: Class name to value; NaN is written as "-".
        columns: Number of pairs per row.
        heading: Name of the metric.
    """
    cells = [cell for name, value in metrics.items() for cell in (name, _format_number(value))]
    width = 2 * min(columns, max(len(metrics), 1))
    cells += [""] * (-len(cells) % width)
    rows = [cells[start : start + width] for start in range(0, len(cells), width)]
    return _table(["category", heading] * (width // 2), rows)


def _format_number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, [":" + "-" * (width - 1) for width in widths], *rows]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)
