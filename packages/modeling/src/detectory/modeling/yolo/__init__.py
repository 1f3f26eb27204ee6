"""YOLOX and YOLOv3, and the cross-stage partial networks that RTMDet shares with YOLOX."""

from .blocks import ConvStyle, CSPLayer
from .csp_backbone import CSPDarknet, CSPNeXt
from .csp_pafpn import CSPPAFPN
from .darknet import Darknet, YOLOv3Neck
from .dynamic_assignment import SimOTAMatcher, dynamic_k_matching
from .square_input import SquareInputDetector
from .yolov3 import ShapedAnchorGenerator, YOLOv3, YOLOv3Head
from .yolox import YOLOX
from .yolox_head import YOLOXHead

__all__ = [
    "CSPPAFPN",
    "YOLOX",
    "CSPDarknet",
    "CSPLayer",
    "CSPNeXt",
    "ConvStyle",
    "Darknet",
    "ShapedAnchorGenerator",
    "SimOTAMatcher",
    "SquareInputDetector",
    "YOLOXHead",
    "YOLOv3",
    "YOLOv3Head",
    "YOLOv3Neck",
    "dynamic_k_matching",
]
