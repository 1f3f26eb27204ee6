"""Colours under Detectron2's module path."""

import numpy as np

from detectory.visualization import colormap, random_color, random_colors

__all__ = ["_COLORS", "colormap", "random_color", "random_colors"]

_COLORS = colormap(rgb=True, maximum=1).astype(np.float32)
