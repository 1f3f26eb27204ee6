"""Static description of the shape of a feature map."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ShapeSpec:
    """The known dimensions of a feature map; unknown ones are `None`.

    Args:
        channels: Number of channels.
        height: Height in cells.
        width: Width in cells.
        stride: Stride relative to the input image, in pixels.
    """

    # `int | None` in fact. `Any` spares an assertion at every use: a backbone always knows its channels and strides.
    channels: Any = None
    height: Any = None
    width: Any = None
    stride: Any = None
