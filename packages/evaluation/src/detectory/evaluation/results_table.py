"""Metrics as plain-text tables."""

import math
from collections.abc import Mapping, Sequence


def format_metrics(figures: Mapping[str, float]) -> str:
    """One row of numbers below their names, as a Markdown table; NaN is written as "-"."""
    return _table(list(figures), [[_number(value) for value in figures.values()]])


def format_categories(figures: Mapping[str, float], columns: int = 3, heading: str = "AP") -> str:
    """Names and numbers side by side, `columns` pairs in a row; `heading` says what the numbers are."""
    cells = [cell for name, value in figures.items() for cell in (name, _number(value))]
    width = 2 * min(columns, max(len(figures), 1))
    cells += [""] * (-len(cells) % width)
    rows = [cells[start : start + width] for start in range(0, len(cells), width)]
    return _table(["category", heading] * (width // 2), rows)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, [":" + "-" * (width - 1) for width in widths], *rows]
    filled = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in filled)
