"""Colours under Detectron2's module path."""

from detectory.visualization import colormap, random_color, random_colors

__all__ = ["colormap", "random_color", "random_colors"]
