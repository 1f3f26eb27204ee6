"""How many parameters a model has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch import nn


def parameter_count(model: nn.Module) -> Counter[str]:
    """Return the number of parameters under every prefix of a parameter's name; `""` is the model.

    A parameter that several modules share counts once, where it is met first.

    Example:
        >>> import torch
        >>> parameter_count(torch.nn.Sequential(torch.nn.Linear(3, 4)))["0"]
        16
    """
    counts: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        for i in range(len(parts) + 1):
            counts[".".join(parts[:i])] += parameter.numel()
    return counts


def parameter_count_table(model: nn.Module, max_depth: int = 3) -> str:
    """Return a table of names and parameters, with the shapes of single tensors.

    Args:
        model: The model.
        max_depth: Levels of names to show.
    """
    counts = parameter_count(model)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    rows = [("model", readable(counts[""]))]
    for name in counts:
        depth = name.count(".") + 1
        if name and depth <= max_depth:
            rows.append(("  " * depth + name, str(shapes[name]) if name in shapes else readable(counts[name])))
    return table(("name", "elements or shape"), rows)


def readable(number: float) -> str:
    """Return a number with a unit, such as `44.3M`."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:g}"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table with columns of even width."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    head = "| " + " | ".join(cell.ljust(w) for cell, w in zip(header, widths, strict=True)) + " |"
    rule = "|" + "|".join(":" + "-" * (w + 1) for w in widths) + "|"
    return "\n".join([head, rule, *lines])
