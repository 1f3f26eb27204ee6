"""A second and a third try for functions that run out of GPU memory."""

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
    """Return a function that repeats `func` when the GPU's memory is full.

    The second try comes after the unused cached memory is released, the third one with all tensor arguments moved to
    the CPU; its result stays there. Tensors inside containers are not moved.

    Args:
        func: A function without side effects, as it may run three times.
    """

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Result:
        with _ignore_out_of_memory():
            return func(*args, **kwargs)
        torch.cuda.empty_cache()
        with _ignore_out_of_memory():
            return func(*args, **kwargs)
        _logger.warning("%s ran out of GPU memory twice and runs on the CPU now", getattr(func, "__name__", func))
        moved = {name: _to_cpu(value) for name, value in kwargs.items()}
        return func(*[_to_cpu(value) for value in args], **moved)

    return wrapped


def _to_cpu(value: Any) -> Any:
    on_gpu = getattr(getattr(value, "device", None), "type", None) == "cuda"
    return value.to(device="cpu") if on_gpu and hasattr(value, "to") else value
