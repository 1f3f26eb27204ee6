"""DeepLab under Detectron2's module path: config keys, registered backbone and heads, schedule."""

from detectory.projects.deeplab.detectron2.build_solver import build_lr_scheduler
from detectory.projects.deeplab.detectron2.config import add_deeplab_config
from detectory.projects.deeplab.detectron2.loss import DeepLabCE
from detectory.projects.deeplab.detectron2.lr_scheduler import WarmupPolyLR
from detectory.projects.deeplab.detectron2.resnet import DeepLabStem, build_resnet_deeplab_backbone
from detectory.projects.deeplab.detectron2.semantic_seg import DeepLabV3Head, DeepLabV3PlusHead

__all__ = [
    "DeepLabCE",
    "DeepLabStem",
    "DeepLabV3Head",
    "DeepLabV3PlusHead",
    "WarmupPolyLR",
    "add_deeplab_config",
    "build_lr_scheduler",
    "build_resnet_deeplab_backbone",
]
