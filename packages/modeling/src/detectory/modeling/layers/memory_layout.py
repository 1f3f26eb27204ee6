"""Memory layouts of feature maps that convolutions on CPUs prefer."""

import torch
from torch import Tensor


def is_eager_cpu(x: Tensor) -> bool:
    """Return whether an operation on `x` runs on a CPU now and is not recorded in a graph."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and not torch.jit.is_tracing()


def fast_layout(x: Tensor) -> Tensor:
    """Return a map `(B, C, H, W)` in the layout that the convolutions of its device prefer.

    On a CPU that is channels last, for AVX2 as for AVX-512: forward passes and gradients of inputs are up to three
    times as fast, and every convolution keeps the layout. The one exception, gradients of weights on AVX2, is handled
    by `ConvolutionForTraining`. Maps on other devices, and maps in a recorded graph, are returned as they are.
    """
    if torch.jit.is_scripting():
        is_faster = x.is_cpu
    else:
        is_faster = is_eager_cpu(x)
    return x.contiguous(memory_format=torch.channels_last) if is_faster else x
