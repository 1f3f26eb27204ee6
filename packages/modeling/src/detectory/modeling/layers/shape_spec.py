"""What a module says about the tensors it takes or gives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ShapeSpec:
    """The shape of a feature map as far as it is known before any image is seen.

    Args:
        channels: Number of channels.
        height: Rows, where fixed.
        width: Columns, where fixed.
        stride: Pixels of the input image from one cell to the next.
    """

    channels: int | None = None
    height: int | None = None
    width: int | None = None
    stride: int | None = None
