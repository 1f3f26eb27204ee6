"""Retries, the last one on the CPU, for functions that run out of GPU memory."""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch

_logger = logging.getLogger(__name__)
Result = TypeVar("Result")


@contextlib.contextmanager
def _ignore_out_of_memory() -> Iterator[None]:
    with contextlib.suppress(torch.cuda.OutOfMemoryError):
        yield


def retry_if_cuda_oom(func: Callable[..., Result]) -> Callable[..., Result]:
    """Wrap `func` so that it is retried if it runs out of GPU memory.

    The first retry runs after unused cached memory is released. The second runs with all tensor arguments moved to
    the CPU, and its result stays on the CPU. Tensors inside containers are not moved.

    Args:
        func: A function without side effects, because it may be called three times.
    """

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Result:
        with _ignore_out_of_memory():
            return func(*args, **kwargs)
        torch.cuda.empty_cache()
        with _ignore_out_of_memory():
            return func(*args, **kwargs)
        _logger.warning("%s ran out of GPU memory twice; running it on the CPU", getattr(func, "__name__", func))
        moved = {name: _to_cpu(value) for name, value in kwargs.items()}
        return func(*[_to_cpu(value) for value in args], **moved)

    return wrapped


def _to_cpu(value: Any) -> Any:
    on_gpu = getattr(getattr(value, "device", None), "type", None) == "cuda"
    return value.to(device="cpu") if on_gpu and hasattr(value, "to") else value
