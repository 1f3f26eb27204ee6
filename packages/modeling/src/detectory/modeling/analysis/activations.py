"""How many numbers a model's convolutions and matrix products put out."""

from collections import Counter
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.module_tracker import ModuleTracker

from .count_analysis import CountAnalysis

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


class ActivationCountAnalysis(CountAnalysis):
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

    def _run(self) -> dict[str, Counter[str]]:
        tracker = ModuleTracker()
        recorder = _Recorder(tracker)
        with tracker, recorder:
            self.model(*self.inputs)
        return recorder.counts


def activation_count(model: nn.Module, inputs: Any) -> Counter[str]:
    """Return millions of activations by operator; arguments as for `ActivationCountAnalysis`."""
    counts = ActivationCountAnalysis(model, inputs).by_operator()
    return Counter({operator: count / 1e6 for operator, count in counts.items()})
