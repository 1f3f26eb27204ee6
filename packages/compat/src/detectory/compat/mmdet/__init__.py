"""MMDetection's detectors: their weights, and models of ours for them."""

from .models import PlainP6P7, build_model
from .weights import convert_state_dict, is_version_1

__all__ = ["PlainP6P7", "build_model", "convert_state_dict", "is_version_1"]
