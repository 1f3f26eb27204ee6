"""Mask R-CNN on the fourth stage of a ResNet-50."""

from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.zoo.parts.rcnn import mask_rcnn_c4

model = with_compat_targets(mask_rcnn_c4())
del model.backbone.freeze_at  # the config that starts from trained weights says it
