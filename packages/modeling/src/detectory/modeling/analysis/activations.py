"""How many numbers a model's convolutions and matrix products put out."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.module_tracker import ModuleTracker

#: Operators whose outputs count: what the hardware must write before anything cheap happens to it.
COUNTED = ("convolution", "mm", "addmm", "bmm", "baddbmm", "deform_conv2d")


class _Recorder(TorchDispatchMode):
    def __init__(self, tracker: ModuleTracker) -> None:
        super().__init__()
        self.tracker = tracker
        self.counts: dict[str, Counter[str]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in COUNTED and isinstance(out, Tensor):
            for module in self.tracker.parents:
                self.counts.setdefault(module, Counter())[name] += out.numel()
        return out


class ActivationCountAnalysis:
    """Run a model once and count the outputs of its convolutions and matrix products.

    Args:
        model: The model, in the mode that shall be counted.
        inputs: Arguments of its call, a tuple; a single other object is taken as the only argument.

    Example:
        >>> import torch
        >>> ActivationCountAnalysis(torch.nn.Linear(3, 4), torch.zeros(2, 3)).total()
        8

    Source: Radosavovic et al., "Designing Network Design Spaces", 2020, section 4, for why activations matter.
    """

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        self.model = model
        self.inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        self._counts: dict[str, Counter[str]] | None = None

    def total(self, module_name: str = "") -> int:
        """Return the activations of a module and all below it; ``""`` is the model."""
        return sum(self.by_module_and_operator()[module_name].values())

    def by_operator(self, module_name: str = "") -> Counter[str]:
        """Return the activations of a module by operator."""
        return self.by_module_and_operator()[module_name]

    def by_module(self) -> Counter[str]:
        """Return the activations of every module, each including all below it."""
        return Counter({name: sum(counts.values()) for name, counts in self.by_module_and_operator().items()})

    def by_module_and_operator(self) -> dict[str, Counter[str]]:
        """Return the activations of every module by operator."""
        if self._counts is None:
            self._counts = self._count()
        return self._counts

    @torch.no_grad()
    def _count(self) -> dict[str, Counter[str]]:
        tracker = ModuleTracker()
        recorder = _Recorder(tracker)
        with tracker, recorder:
            self.model(*self.inputs)
        root = type(self.model).__name__
        counts: dict[str, Counter[str]] = {name: Counter() for name, _ in self.model.named_modules()}
        for key, per_operator in recorder.counts.items():
            name = "" if key == "Global" else key.removeprefix(f"{root}.")
            if key != root and name in counts:
                counts[name].update(per_operator)
        return counts


def activation_count(model: nn.Module, inputs: Any) -> Counter[str]:
    """Return millions of activations by operator; arguments as for `ActivationCountAnalysis`."""
    counts = ActivationCountAnalysis(model, inputs).by_operator()
    return Counter({operator: count / 1e6 for operator, count in counts.items()})
