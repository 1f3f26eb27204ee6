"""Training targets under Detectron2's module path."""

from detectory.projects.deeplab.panoptic import PanopticDeepLabTargetGenerator

__all__ = ["PanopticDeepLabTargetGenerator"]
