"""Another try when a GPU's memory is full."""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import torch

__all__ = ["retry_if_cuda_oom"]

logger = logging.getLogger(__name__)


def retry_if_cuda_oom(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return `func` so that it survives a full GPU.

    When it raises torch's out-of-memory error, the cache is freed and it is called again; when that fails too, it is
    called with its tensors on the CPU, and the outputs stay there. Only tensors that are arguments themselves move, not
    those inside other objects, and `func` must not keep anything between calls.
    """

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with _forgiving_full_memory():
            return func(*args, **kwargs)
        torch.cuda.empty_cache()
        with _forgiving_full_memory():
            return func(*args, **kwargs)
        logger.warning("%s: the GPU's memory is full, running on the CPU", getattr(func, "__name__", func))
        on_cpu = [_to_cpu(value) for value in args]
        return func(*on_cpu, **{name: _to_cpu(value) for name, value in kwargs.items()})

    return wrapped


@contextlib.contextmanager
def _forgiving_full_memory() -> Iterator[None]:
    with contextlib.suppress(torch.cuda.OutOfMemoryError):
        yield


def _to_cpu(value: Any) -> Any:
    on_gpu = getattr(getattr(value, "device", None), "type", None) == "cuda"
    return value.to("cpu") if on_gpu and hasattr(value, "to") else value
