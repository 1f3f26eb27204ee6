"""Detection of torch.fx tracing."""

import torch
import torch.fx._symbolic_trace

__all__ = ["assert_fx_safe", "is_fx_tracing", "is_fx_tracing_legacy"]


def is_fx_tracing_legacy() -> bool:
    """Return whether fx is tracing, detected by its patch of `nn.Module.__call__`."""
    return torch.nn.Module.__call__ is not torch.fx._symbolic_trace._orig_module_call


def is_fx_tracing() -> bool:
    """Return whether `torch.fx` is tracing."""
    return torch.fx._symbolic_trace.is_fx_tracing()


def assert_fx_safe(condition: object, message: str) -> None:
    """Assert a condition, unless it is symbolic because code is being traced or compiled.

    Raises:
        AssertionError: If the condition is concrete and false.
    """
    if torch.jit.is_scripting() or is_fx_tracing() or torch.compiler.is_compiling():
        return
    if not condition:
        raise AssertionError(message)
