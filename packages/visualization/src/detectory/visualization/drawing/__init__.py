"""Drawing primitives on one image: shapes, text, label placement and colours."""

from .palette import colormap, random_color, random_colors
from .primitives import Drawing
from .vis_image import VisImage

__all__ = ["Drawing", "VisImage", "colormap", "random_color", "random_colors"]
