"""Draws detections, masks, keypoints and segmentations on images."""

from .generic_mask import GenericMask
from .palette import colormap, random_color, random_colors
from .picture import VisImage
from .visualizer import ColorMode, Visualizer

__all__ = ["ColorMode", "GenericMask", "VisImage", "Visualizer", "colormap", "random_color", "random_colors"]
