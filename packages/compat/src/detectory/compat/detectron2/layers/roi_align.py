"""Aligned region pooling under Detectron2's module path."""

from detectory.modeling.layers import ROIAlign
from detectory.ops import roi_align

__all__ = ["ROIAlign", "roi_align"]
