"""Visualizers that draw detections, masks, keypoints and segmentations on images and video frames."""

from .drawing import VisImage, colormap, random_color, random_colors
from .masks import GenericMask
from .video_visualizer import VideoVisualizer
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
