"""Panoptic FPN with a ResNet-50."""

from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.zoo.recipes.panoptic_fpn import panoptic_fpn

model = with_compat_targets(panoptic_fpn())
del model.backbone.bottom_up.freeze_at  # the config that starts from trained weights says it
