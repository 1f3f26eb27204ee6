"""Layouts and products that CPUs run faster; elsewhere, and while a graph is recorded, nothing changes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _eager_cpu(x: Tensor) -> bool:
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and not torch.jit.is_tracing()


def fast_layout(x: Tensor) -> Tensor:
    """Return a map `(B, C, H, W)` in the layout that convolutions of its device like best.

    On a CPU that is channels last, half again as fast as the default, and every convolution hands it on.
    """
    if torch.jit.is_scripting():
        is_faster = x.is_cpu
    else:
        is_faster = _eager_cpu(x)
    return x.contiguous(memory_format=torch.channels_last) if is_faster else x


class Linear(nn.Linear):
    """`nn.Linear` for many rows: on a CPU in float32 it runs as a 1×1 convolution.

    The rows serve as pixels; nothing is copied. oneDNN's convolution reaches up to twice the speed of the BLAS that
    torch uses for `nn.Linear`.
    """

    __constants__ = ["LEAST_WORK", "in_features", "out_features"]

    #: Below this many multiply-adds the detour costs more than it gains.
    LEAST_WORK = 10**8

    def forward(self, input: Tensor) -> Tensor:
        """Map `(R, in_features)` to `(R, out_features)`."""
        work = input.numel() * self.out_features
        is_faster = input.dim() == 2 and input.dtype == torch.float32 and work >= self.LEAST_WORK
        if torch.jit.is_scripting():
            is_faster = is_faster and input.is_cpu
        else:
            is_faster = is_faster and _eager_cpu(input) and not torch.is_autocast_enabled("cpu")
        if not is_faster:
            return F.linear(input, self.weight, self.bias)
        pixels = input.view(1, input.shape[0], 1, -1).permute(0, 3, 1, 2)  # (1, in, R, 1), channels last
        out = F.conv2d(pixels, self.weight[:, :, None, None], self.bias)
        return out.permute(0, 2, 3, 1).reshape(input.shape[0], -1)
