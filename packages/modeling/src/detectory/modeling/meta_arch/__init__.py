"""Meta-architectures: complete models, from a batch of images to losses or predictions."""

from .atss import ATSS, ATSSMatcher
from .dense_detector import DenseDetector
from .dense_head import FCOSHead, RetinaNetHead
from .fcos import FCOS
from .gfl import GFL, GFLHead
from .panoptic_fpn import PanopticFPN, combine_semantic_and_instance_outputs
from .rcnn import GeneralizedRCNN, ProposalNetwork
from .retinanet import RetinaNet
from .semantic_seg import SemanticSegmentor, SemSegFPNHead
from .ssd import SSD, SSDAnchorGenerator, SSDHead
from .ssdlite_head import SSDLiteHead

__all__ = [
    "ATSS",
    "FCOS",
    "GFL",
    "SSD",
    "ATSSMatcher",
    "DenseDetector",
    "FCOSHead",
    "GFLHead",
    "GeneralizedRCNN",
    "PanopticFPN",
    "ProposalNetwork",
    "RetinaNet",
    "RetinaNetHead",
    "SSDAnchorGenerator",
    "SSDHead",
    "SSDLiteHead",
    "SemSegFPNHead",
    "SemanticSegmentor",
    "combine_semantic_and_instance_outputs",
]
