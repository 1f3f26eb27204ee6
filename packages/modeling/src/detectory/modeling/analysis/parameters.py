"""Number of parameters by module."""

from collections import Counter

from torch import nn

from .text_table import format_count, markdown_table


def parameter_count(model: nn.Module) -> Counter[str]:
    """Return the number of parameters under every prefix of a parameter name; `""` is the model.

    A parameter that is shared by several modules is counted once, in the first of them.

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
    """Return a table of the number of parameters of all modules, and the shapes of the parameters.

    Args:
        model: The model.
        max_depth: Maximum depth of the names.
    """
    counts = parameter_count(model)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    rows = [("model", format_count(counts[""]))]
    for name in counts:
        depth = name.count(".") + 1
        if name and depth <= max_depth:
            rows.append(("  " * depth + name, str(shapes[name]) if name in shapes else format_count(counts[name])))
    return markdown_table(("name", "elements or shape"), rows)
