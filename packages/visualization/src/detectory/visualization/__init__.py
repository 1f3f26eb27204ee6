"""Draws detections, masks, keypoints and segmentations on images."""

from .generic_mask import GenericMask
from .palette import colormap, random_color, random_colors
from .video_visualizer import VideoVisualizer
from .vis_image import VisImage
from .visualizer import ColorMode, Visualizer

__all__ = [
    "ColorMode",
    "GenericMask",
    "VideoVisualizer",
    "VisImage",
    "Visualizer",
    "colormap",
    "random_color",
    "random_colors",
]
