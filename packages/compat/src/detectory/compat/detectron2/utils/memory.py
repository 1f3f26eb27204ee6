"""Retries after CUDA out-of-memory errors, under Detectron2's module path."""

from detectory.core.out_of_memory import _ignore_out_of_memory as _ignore_torch_cuda_oom
from detectory.core.out_of_memory import retry_if_cuda_oom

__all__ = ["_ignore_torch_cuda_oom", "retry_if_cuda_oom"]
