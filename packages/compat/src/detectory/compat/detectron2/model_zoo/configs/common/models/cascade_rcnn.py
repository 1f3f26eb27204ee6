"""Cascade Mask R-CNN with a ResNet-50-FPN."""

from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.zoo.parts.cascade import make_cascade
from detectory.zoo.parts.rcnn import mask_rcnn_fpn

model = with_compat_targets(make_cascade(mask_rcnn_fpn()))
del model.backbone.bottom_up.freeze_at  # the config that starts from trained weights says it
