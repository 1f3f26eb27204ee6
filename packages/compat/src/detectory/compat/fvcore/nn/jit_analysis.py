"""Operator statistics under fvcore's module path."""

from collections import Counter
from typing import Any, TypeVar

from torch import nn

from detectory.compat.fvcore.nn.graph_counts import count_graph
from detectory.compat.fvcore.nn.jit_handles import Handle
from detectory.modeling.analysis.count_analysis import CountAnalysis

__all__ = ["JitModelAnalysis"]


Self = TypeVar("Self", bound="JitModelAnalysis")


class JitModelAnalysis(CountAnalysis):
    """Counts by module and operator, with the interface of fvcore's class.

    Operators are counted as they are executed, not as nodes of a TorchScript graph. Handles of `set_op_handle` count
    nodes of the graph; their counts are part of those of the whole model only.

    Args:
        model: The model, in the mode (training or inference) to analyze.
        inputs: Tuple of the arguments of the call; any other object is the only argument.
    """

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        super().__init__(model, inputs)
        self._handles: dict[str, Handle | None] = {}
        self._called: set[str] = set()

    def set_op_handle(self: Self, *args: Any, **kwargs: Handle | None) -> Self:
        """Set the handles of graph operators: pairs of name and handle, or keywords; None ignores an operator."""
        self._handles.update(zip(args[::2], args[1::2], strict=True))
        self._handles.update(kwargs)
        self._counts = None
        return self

    def clear_op_handles(self: Self) -> Self:
        """Remove all handles."""
        self._handles, self._counts = {}, None
        return self

    def by_module_and_operator(self) -> dict[str, Counter[str]]:
        """Return the counts of every module, including its submodules, by operator."""
        is_new = self._counts is None
        counts = super().by_module_and_operator()
        if is_new and self._handles:
            counted, _ = count_graph(self.model, self.inputs, self._handles, 1)
            for name, handle in self._handles.items():
                if handle is None or name.split("::")[-1].lstrip("_") in counts[""]:
                    counts[""].pop(name.split("::")[-1].lstrip("_"), None)
            counts[""].update({name: int(count) for name, count in counted.items()})
        return counts

    def _run(self) -> dict[str, Counter[str]]:
        self._called = set()
        hooks = [
            module.register_forward_pre_hook(lambda *_, name=name: self._called.add(name))
            for name, module in self.model.named_modules()
        ]
        try:
            return super()._run()  # type: ignore[safe-super]
        finally:
            for hook in hooks:
                hook.remove()

    def unsupported_ops(self, module_name: str = "") -> Counter[str]:
        """Return an empty counter: every executed operator is seen."""
        self.canonical_module_name(module_name)
        return Counter()

    def uncalled_modules(self) -> set[str]:
        """Return the names of the modules that the call of the model did not use."""
        self.by_module_and_operator()
        return {name for name, _ in self.model.named_modules()} - self._called

    def canonical_module_name(self, name: str) -> str:
        """Return the name under which the counts of a module are found.

        Raises:
            KeyError: If the model has no such module.
        """
        modules = dict(self.model.named_modules(remove_duplicate=False))
        if name not in modules:
            raise KeyError(f"{type(self).__name__}: the model has no module {name!r}")
        return next(known for known, module in self.model.named_modules() if module is modules[name])

    def copy(self: Self, new_model: nn.Module | None = None, new_inputs: Any = None) -> Self:
        """Return an analysis with the same handles, of this or another model and inputs."""
        model = self.model if new_model is None else new_model
        copied = type(self)(model, self.inputs if new_inputs is None else new_inputs)
        copied._handles = dict(self._handles)
        return copied

    def ancestor_mode(self: Self, mode: str) -> Self:
        """Accept fvcore's modes `"owner"` and `"caller"`; counts always belong to the modules that are called.

        Raises:
            ValueError: If the mode is unknown.
        """
        if mode not in ("owner", "caller"):
            raise ValueError(f"ancestor_mode: mode must be 'owner' or 'caller', got {mode!r}")
        return self

    def tracer_warnings(self: Self, mode: str) -> Self:
        """Accept fvcore's modes; models are not traced.

        Raises:
            ValueError: If the mode is unknown.
        """
        if mode not in ("none", "no_tracer_warning", "all"):
            raise ValueError(f"tracer_warnings: mode must be 'none', 'no_tracer_warning' or 'all', got {mode!r}")
        return self

    def unsupported_ops_warnings(self: Self, enabled: bool) -> Self:
        """Return self: there are no such warnings."""
        del enabled
        return self

    def uncalled_modules_warnings(self: Self, enabled: bool) -> Self:
        """Return self: there are no such warnings."""
        del enabled
        return self
