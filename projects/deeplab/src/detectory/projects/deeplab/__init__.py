"""DeepLabV3 and DeepLabV3+: semantic segmentation with atrous convolutions."""

from .loss import DeepLabCE
from .resnet import DeepLabStem, deeplab_resnet
from .semantic_seg import DeepLabV3Head, DeepLabV3PlusHead

__all__ = ["DeepLabCE", "DeepLabStem", "DeepLabV3Head", "DeepLabV3PlusHead", "deeplab_resnet"]
