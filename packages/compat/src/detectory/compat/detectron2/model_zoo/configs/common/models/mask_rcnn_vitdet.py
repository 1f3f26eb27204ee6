"""Mask R-CNN on a ViT-B with a simple feature pyramid."""

from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.zoo.recipes.transformers.vitdet import BASE, mask_rcnn_vitdet

model = with_compat_targets(mask_rcnn_vitdet(BASE, drop_path_rate=0.1))
