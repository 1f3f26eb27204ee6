"""Base class of analyses that run a model once and count by module and operator."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import Any

import torch
from torch import nn


class CountAnalysis(ABC):
    """Counts of one call of a model, by module and operator. The model runs when the first count is requested.

    Args:
        model: The model, in the mode (training or inference) to analyze.
        inputs: Tuple of the arguments of the call; any other object is the only argument.
    """

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        self.model = model
        self.inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        self._counts: dict[str, Counter[str]] | None = None

    def total(self, module_name: str = "") -> int:
        """Return the count of a module including its submodules; `""` is the model."""
        return sum(self.by_module_and_operator()[module_name].values())

    def by_operator(self, module_name: str = "") -> Counter[str]:
        """Return the counts of a module including its submodules, by operator."""
        return self.by_module_and_operator()[module_name]

    def by_module(self) -> Counter[str]:
        """Return the count of every module, including its submodules."""
        return Counter({name: sum(counts.values()) for name, counts in self.by_module_and_operator().items()})

    def by_module_and_operator(self) -> dict[str, Counter[str]]:
        """Return the counts of every module, including its submodules, by operator."""
        if self._counts is None:
            with torch.no_grad():
                recorded = self._run()
            # torch's trackers prefix module names with the class name of the root.
            root = type(self.model).__name__
            self._counts = {name: Counter() for name, _ in self.model.named_modules()}
            for key, per_operator in recorded.items():
                name = "" if key == "Global" else key.removeprefix(f"{root}.")
                if key != root and name in self._counts:
                    self._counts[name].update(per_operator)
        return self._counts

    @abstractmethod
    def _run(self) -> dict[str, Counter[str]]:
        """Call the model; return the counts by operator under the module names of torch's trackers."""
