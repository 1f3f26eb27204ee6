"""DETR: parts of detectors that predict a set of objects with a transformer."""

from .criterion import FocalSetCriterion, SetCriterion
from .matcher import FocalHungarianMatcher, HungarianMatcher
from .model import DETR
from .position_encoding import SinePositionEncoding
from .transformer import DETRTransformer

__all__ = [
    "DETR",
    "DETRTransformer",
    "FocalHungarianMatcher",
    "FocalSetCriterion",
    "HungarianMatcher",
    "SetCriterion",
    "SinePositionEncoding",
]
