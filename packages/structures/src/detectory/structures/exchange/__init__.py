"""Conversion of `Instances` to and from torchvision's, supervision's and COCO's result formats."""

from .coco_results import from_coco_results
from .supervision import from_supervision, to_supervision
from .torchvision import from_torchvision, to_torchvision

__all__ = ["from_coco_results", "from_supervision", "from_torchvision", "to_supervision", "to_torchvision"]
