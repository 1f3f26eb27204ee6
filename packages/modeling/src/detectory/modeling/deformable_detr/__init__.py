"""Deformable DETR: detection of a set of objects with attention to few points of several feature maps."""

from .attention import DeformableAttention
from .channel_mapper import ChannelMapper
from .model import DeformableDETR
from .transformer import DeformableTransformer

__all__ = ["ChannelMapper", "DeformableAttention", "DeformableDETR", "DeformableTransformer"]
