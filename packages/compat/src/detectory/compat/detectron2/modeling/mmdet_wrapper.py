"""MMDetection wrappers under Detectron2's module path."""

from detectory.modeling.mmdet_wrapper import MMDetBackbone, MMDetDetector

__all__ = ["MMDetBackbone", "MMDetDetector"]
