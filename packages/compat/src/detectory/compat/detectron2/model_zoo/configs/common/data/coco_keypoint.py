"""Loaders and evaluator of COCO's people with 17 keypoints."""

from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.zoo.parts.loaders import keypoint_loaders

dataloader = with_compat_targets(keypoint_loaders())
