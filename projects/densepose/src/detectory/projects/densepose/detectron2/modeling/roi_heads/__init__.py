"""ROI heads and heads."""

from .deeplab import DensePoseDeepLabHead
from .roi_head import Decoder, DensePoseROIHeads
from .v1convx import DensePoseV1ConvXHead

__all__ = ["Decoder", "DensePoseDeepLabHead", "DensePoseROIHeads", "DensePoseV1ConvXHead"]
