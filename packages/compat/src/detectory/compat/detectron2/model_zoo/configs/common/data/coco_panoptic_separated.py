"""Loaders and evaluators of COCO's things and stuff."""

from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.zoo.parts.loaders import panoptic_loaders

dataloader = with_compat_targets(panoptic_loaders())
