"""FCOS with a ResNet-50-FPN."""

from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.zoo.recipes.dense_detectors import fcos

model = with_compat_targets(fcos())
del model.backbone.bottom_up.freeze_at  # the config that starts from trained weights says it
