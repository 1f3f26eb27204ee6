"""DeepLab: semantic segmentation with atrous convolutions, and its learning rate schedule."""

from detectory.compat.detectron2.projects.deeplab.build_solver import build_lr_scheduler
from detectory.compat.detectron2.projects.deeplab.config import add_deeplab_config
from detectory.compat.detectron2.projects.deeplab.loss import DeepLabCE
from detectory.compat.detectron2.projects.deeplab.lr_scheduler import WarmupPolyLR
from detectory.compat.detectron2.projects.deeplab.resnet import DeepLabStem, build_resnet_deeplab_backbone
from detectory.compat.detectron2.projects.deeplab.semantic_seg import DeepLabV3Head, DeepLabV3PlusHead

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
