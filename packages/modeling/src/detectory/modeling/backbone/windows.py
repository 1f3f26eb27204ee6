"""Cutting a map into square windows and joining them again."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F


def window_partition(x: Tensor, window_size: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut `(B, H, W, C)` into windows, padded with zeros at the right and the bottom where they do not fit.

    Returns:
        Windows `(B * n, window_size, window_size, C)`, those of an image together and row by row, and the
        padded `(height, width)`.
    """
    batch, height, width, channels = x.shape
    pad_h, pad_w = -height % window_size, -width % window_size
    if pad_h or pad_w:
        x = F.pad(x, (0, 0, 0, pad_w, 0, pad_h))
    height, width = height + pad_h, width + pad_w
    x = x.view(batch, height // window_size, window_size, width // window_size, window_size, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window_size, window_size, channels), (height, width)


def window_unpartition(windows: Tensor, window_size: int, pad_hw: Sequence[int], hw: Sequence[int]) -> Tensor:
    """Undo `window_partition`.

    Args:
        windows: `(B * n, window_size, window_size, C)`.
        window_size: Side of a window.
        pad_hw: Padded `(height, width)`.
        hw: `(height, width)` before padding.

    Returns:
        `(B, height, width, C)`.
    """
    height, width = pad_hw
    rows, columns = height // window_size, width // window_size
    x = windows.view(-1, rows, columns, window_size, window_size, windows.shape[-1])
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, windows.shape[-1])
    return x[:, : hw[0], : hw[1]].contiguous() if (height, width) != tuple(hw) else x
