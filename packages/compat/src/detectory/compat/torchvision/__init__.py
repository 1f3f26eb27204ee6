"""torchvision's detectors: their weights, and models of ours with the same outputs."""

from .anchors import TorchvisionAnchorGenerator
from .models import from_torchvision
from .weights import convert_state_dict

__all__ = ["TorchvisionAnchorGenerator", "convert_state_dict", "from_torchvision"]
