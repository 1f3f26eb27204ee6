"""Number of activations: outputs of convolutions and matrix products."""

from collections import Counter
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.module_tracker import ModuleTracker

from .count_analysis import CountAnalysis

#: The counted operators. Elementwise operators, which can be fused with their inputs, are not counted.
COUNTED = ("convolution", "mm", "addmm", "bmm", "baddbmm", "deform_conv2d")


class _Recorder(TorchDispatchMode):
    """Dispatch mode that counts the outputs of the operators in `COUNTED` by module and operator."""

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
    """Number of outputs of convolutions and matrix products in one call of a model.

    Args:
        model: The model, in the mode (training or inference) to analyze.
        inputs: Tuple of the arguments of the call; any other object is the only argument.

    Example:
        >>> import torch
        >>> ActivationCountAnalysis(torch.nn.Linear(3, 4), torch.zeros(2, 3)).total()
        8

    Source: Radosavovic et al., "Designing Network Design Spaces", 2020, section 4, for the relevance of activations.
    """

    def _run(self) -> dict[str, Counter[str]]:
        tracker = ModuleTracker()
        recorder = _Recorder(tracker)
        with tracker, recorder:
            self.model(*self.inputs)
        return recorder.counts


def activation_count(model: nn.Module, inputs: Any) -> Counter[str]:
    """Return millions of activations by operator; the arguments are those of `ActivationCountAnalysis`."""
    counts = ActivationCountAnalysis(model, inputs).by_operator()
    return Counter({operator: count / 1e6 for operator, count in counts.items()})
