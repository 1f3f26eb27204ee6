"""Retries after CUDA out-of-memory errors."""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import torch

__all__ = ["retry_if_cuda_oom"]

_logger = logging.getLogger(__name__)


def retry_if_cuda_oom(func: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that it is retried after a CUDA out-of-memory error.

    The first retry follows after freeing the cache; the second one runs with the tensor arguments on the CPU and
    returns CPU tensors. Only tensors that are direct arguments are moved. `func` must be stateless.
    """

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with _forgiving_full_memory():
            return func(*args, **kwargs)
        torch.cuda.empty_cache()
        with _forgiving_full_memory():
            return func(*args, **kwargs)
        _logger.warning("%s: CUDA out of memory, retrying on the CPU", getattr(func, "__name__", func))
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
