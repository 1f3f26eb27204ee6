"""What a module says about the tensors it takes or gives."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ShapeSpec:
    """The shape of a feature map as far as it is known before any image is seen.

    Args:
        channels: Number of channels.
        height: Rows, where fixed.
        width: Columns, where fixed.
        stride: Pixels of the input image from one cell to the next.
    """

    # Each is an int or None; whoever reads one knows which of the two it must be.
    channels: Any = None
    height: Any = None
    width: Any = None
    stride: Any = None
