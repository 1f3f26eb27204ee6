"""Swin transformers under Detectron2's module path."""

from torch import Tensor

from detectory.modeling.backbone import SwinTransformer
from detectory.modeling.backbone.transformer.layers import Mlp
from detectory.modeling.backbone.transformer.layers import window_partition as _partition
from detectory.modeling.backbone.transformer.swin import BasicLayer
from detectory.modeling.backbone.transformer.swin import SwinPatchEmbed as PatchEmbed
from detectory.modeling.backbone.transformer.swin_blocks import PatchMerging, SwinTransformerBlock, WindowAttention

__all__ = [
    "BasicLayer",
    "Mlp",
    "PatchEmbed",
    "PatchMerging",
    "SwinTransformer",
    "SwinTransformerBlock",
    "WindowAttention",
    "window_partition",
    "window_reverse",
]


def window_partition(x: Tensor, window_size: int) -> Tensor:
    """Split `(B, H, W, C)` into windows `(B * num_windows, window_size, window_size, C)`.

    Raises:
        ValueError: If a side is not a multiple of `window_size`.
    """
    if x.shape[1] % window_size or x.shape[2] % window_size:
        raise ValueError(f"window_partition: sides must be multiples of {window_size}, got {tuple(x.shape[1:3])}")
    return _partition(x, window_size)[0]


def window_reverse(windows: Tensor, window_size: int, H: int, W: int) -> Tensor:
    """Merge windows into `(B, H, W, C)`."""
    rows, columns = H // window_size, W // window_size
    x = windows.reshape(-1, rows, columns, window_size, window_size, windows.shape[-1])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, H, W, windows.shape[-1])
