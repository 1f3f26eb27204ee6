"""What analyses that run a model once have in common: counts by module and operator."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import Any

import torch
from torch import nn


class CountAnalysis(ABC):
    """Run a model once, when the first figure is asked for, and count.

    Args:
        model: The model, in the mode (training or inference) that shall be counted.
        inputs: Arguments of its call, a tuple; a single other object is taken as the only argument.
    """

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        self.model = model
        self.inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        self._counts: dict[str, Counter[str]] | None = None

    def total(self, module_name: str = "") -> int:
        """Return the count of a module and all below it; `""` is the model."""
        return sum(self.by_module_and_operator()[module_name].values())

    def by_operator(self, module_name: str = "") -> Counter[str]:
        """Return the counts of a module by operator."""
        return self.by_module_and_operator()[module_name]

    def by_module(self) -> Counter[str]:
        """Return the count of every module, each including all below it."""
        return Counter({name: sum(counts.values()) for name, counts in self.by_module_and_operator().items()})

    def by_module_and_operator(self) -> dict[str, Counter[str]]:
        """Return the counts of every module by operator, each including all below it."""
        if self._counts is None:
            with torch.no_grad():
                found = self._run()
            # torch's trackers name modules with the root's class in front.
            root = type(self.model).__name__
            self._counts = {name: Counter() for name, _ in self.model.named_modules()}
            for key, per_operator in found.items():
                name = "" if key == "Global" else key.removeprefix(f"{root}.")
                if key != root and name in self._counts:
                    self._counts[name].update(per_operator)
        return self._counts

    @abstractmethod
    def _run(self) -> dict[str, Counter[str]]:
        """Call the model and return the counts by operator under the names that torch's trackers give to modules."""
