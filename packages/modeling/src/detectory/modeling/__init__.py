"""Backbones, proposal generators, ROI heads and meta-architectures with plain constructors.

The submodules are the places to look: `layers`, `backbone`, `anchor_generator`, `box_regression`, `matcher`,
`sampling`, `poolers`, `proposal_generator`, `roi_heads`, `meta_arch`, `postprocessing`, `analysis`.
"""

from .backbone import FPN, Backbone, ResNet
from .layers import ShapeSpec
from .meta_arch import (
    FCOS,
    GeneralizedRCNN,
    PanopticFPN,
    ProposalNetwork,
    RetinaNet,
    SemanticSegmentor,
)
from .poolers import ROIPooler
from .postprocessing import detector_postprocess, sem_seg_postprocess
from .proposal_generator import RPN
from .roi_heads import (
    BaseKeypointRCNNHead,
    BaseMaskRCNNHead,
    CascadeROIHeads,
    FastRCNNOutputLayers,
    ROIHeads,
    StandardROIHeads,
)

__all__ = [
    "FCOS",
    "FPN",
    "RPN",
    "Backbone",
    "BaseKeypointRCNNHead",
    "BaseMaskRCNNHead",
    "CascadeROIHeads",
    "FastRCNNOutputLayers",
    "GeneralizedRCNN",
    "PanopticFPN",
    "ProposalNetwork",
    "ROIHeads",
    "ROIPooler",
    "ResNet",
    "RetinaNet",
    "SemanticSegmentor",
    "ShapeSpec",
    "StandardROIHeads",
    "detector_postprocess",
    "sem_seg_postprocess",
]
