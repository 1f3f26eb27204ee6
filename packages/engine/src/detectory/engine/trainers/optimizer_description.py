"""Description of an optimizer in a checkpoint, to report what changed before a training is resumed."""

from typing import Any

import torch
from torch import nn

from detectory.core.checkpoint import unwrap
from detectory.core.checkpoint.load_report import shorten


def describe_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Any]:
    """Return the class name of an optimizer and the parameter names of each of its groups."""
    names = {id(parameter): name for name, parameter in unwrap(model).named_parameters()}
    groups = [[names.get(id(parameter), "?") for parameter in group["params"]] for group in optimizer.param_groups]
    return {"class": type(optimizer).__name__, "groups": groups}


def compare_optimizers(saved: dict[str, Any] | None, current: dict[str, Any]) -> list[str]:
    """Return the differences between two descriptions, one message each; empty if `saved` is None."""
    if saved is None:
        return []
    if saved["class"] != current["class"]:
        return [f"the optimizer was {saved['class']}, now {current['class']}"]
    before, after = (
        {name: index for index, group in enumerate(description["groups"]) for name in group}
        for description in (saved, current)
    )
    problems = []
    if added := [name for name in after if name not in before]:
        problems.append(f"the optimizer has new parameters: {shorten(added)}")
    if removed := [name for name in before if name not in after]:
        problems.append(f"the optimizer lacks parameters: {shorten(removed)}")
    if not problems and saved["groups"] != current["groups"]:
        counts = f"{len(saved['groups'])} parameter groups, now {len(current['groups'])}"
        moved = [name for name in after if before[name] != after[name]]
        problems.append(
            f"the optimizer had {counts}" + (f" (moved: {shorten(moved)})" if moved else " in another order")
        )
    return problems
