"""Loaders and evaluator of COCO 2017 instances."""

from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.zoo.parts.loaders import coco_loaders

dataloader = with_compat_targets(coco_loaders())
