"""RTMDet: boxes, and instance masks by dynamic convolutions."""

from .head import RTMDetHead
from .instance_head import RTMDetInsHead
from .masks import DynamicMasks, MaskFeatures
from .matcher import DynamicSoftLabelMatcher
from .rtmdet import RTMDet
from .rtmdet_ins import RTMDetIns

__all__ = [
    "DynamicMasks",
    "DynamicSoftLabelMatcher",
    "MaskFeatures",
    "RTMDet",
    "RTMDetHead",
    "RTMDetIns",
    "RTMDetInsHead",
]
