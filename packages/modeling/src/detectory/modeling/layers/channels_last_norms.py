"""Batch and group norm without the rounding errors of torch on channels-last maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def loses_digits(x: Tensor) -> bool:
    """Return whether torch normalises a map `(B, C, H, W)` from plain sums of squares.

    Its CPU kernels for channels last compute the variance as `E[x²] - E[x]²`. Where the mean is 50 times the standard
    deviation, the error of group norm reaches 1e-2 instead of 1e-5. Maps in the default layout, other devices and
    lower precisions use another formula, or their rounding hides the error.
    """
    return (
        x.is_cpu
        and x.dtype == torch.float32
        and x.dim() == 4
        and x.is_contiguous(memory_format=torch.channels_last)
        and not x.is_contiguous()
    )


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` that is accurate for channels-last maps on a CPU too.

    It normalises a copy in the default layout, where torch's formula is stable, and returns the result channels last.

    Source: Wu and He, "Group Normalization", 2018.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised map `(B, C, H, W)`."""
        if not loses_digits(input):
            return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
        output = F.group_norm(input.contiguous(), self.num_groups, self.weight, self.bias, self.eps)
        return output.contiguous(memory_format=torch.channels_last)


class BatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` that is accurate for channels-last maps on a CPU too.

    In training the mean of each channel is subtracted from the map and from the running mean, and added to the
    running mean afterwards: the output and the statistics stay the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised map `(B, C, H, W)`; in training, update the running statistics."""
        uses_batch_statistics = self.training or self.running_mean is None
        if not (uses_batch_statistics and input.numel() and loses_digits(input)):
            return super().forward(input)
        shift = input.detach().mean((0, 2, 3))  # (C,)
        centered = input - shift.view(1, -1, 1, 1)
        if self.running_mean is None:
            return F.batch_norm(centered, None, None, self.weight, self.bias, True, 0.0, self.eps)
        tracked = self.num_batches_tracked
        assert tracked is not None, "a layer with running statistics counts its batches"
        tracked.add_(1)
        step = 1.0 / float(tracked) if self.momentum is None else self.momentum
        # A new tensor: autograd keeps this argument, so the buffer itself must not be changed and restored.
        mean = self.running_mean - shift
        output = F.batch_norm(centered, mean, self.running_var, self.weight, self.bias, True, step, self.eps)
        self.running_mean.copy_(mean + shift)
        return output

    def __prepare_scriptable__(self) -> nn.Module:
        """Return what `torch.jit.script` compiles: torch's own layer with the same parameters and statistics."""
        plain = nn.BatchNorm2d(
            self.num_features, self.eps, self.momentum, self.affine, self.track_running_stats, device="meta"
        )
        plain._parameters, plain._buffers = self._parameters, self._buffers
        return plain.train(self.training)
