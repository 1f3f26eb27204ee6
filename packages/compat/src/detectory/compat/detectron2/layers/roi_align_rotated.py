"""Aligned pooling of rotated regions under Detectron2's module path."""

from detectory.modeling.layers import ROIAlignRotated
from detectory.ops import roi_align_rotated

__all__ = ["ROIAlignRotated", "roi_align_rotated"]
