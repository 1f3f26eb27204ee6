"""Meta-architectures and their registries."""

from detectory.compat.detectron2.modeling.meta_arch.build import META_ARCH_REGISTRY, build_model
from detectory.compat.detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectory.compat.detectron2.modeling.meta_arch.fcos import FCOS
from detectory.compat.detectron2.modeling.meta_arch.panoptic_fpn import PanopticFPN
from detectory.compat.detectron2.modeling.meta_arch.rcnn import GeneralizedRCNN, ProposalNetwork
from detectory.compat.detectron2.modeling.meta_arch.retinanet import RetinaNet
from detectory.compat.detectron2.modeling.meta_arch.semantic_seg import (
    SEM_SEG_HEADS_REGISTRY,
    SemanticSegmentor,
    build_sem_seg_head,
)

__all__ = [
    "FCOS",
    "META_ARCH_REGISTRY",
    "SEM_SEG_HEADS_REGISTRY",
    "DenseDetector",
    "GeneralizedRCNN",
    "PanopticFPN",
    "ProposalNetwork",
    "RetinaNet",
    "SemanticSegmentor",
    "build_model",
    "build_sem_seg_head",
]
