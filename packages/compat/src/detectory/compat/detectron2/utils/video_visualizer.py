"""Video visualization under Detectron2's module path."""

from detectory.visualization import VideoVisualizer

__all__ = ["VideoVisualizer"]
