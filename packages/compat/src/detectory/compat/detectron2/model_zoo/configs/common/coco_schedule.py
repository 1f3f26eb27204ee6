"""Schedules of 12 epochs on COCO in batches of 16, and multiples."""

from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.zoo.parts.training import steps_of_coco

lr_multiplier_1x, lr_multiplier_2x, lr_multiplier_3x, lr_multiplier_6x, lr_multiplier_9x = (
    with_compat_targets(steps_of_coco(times)) for times in (1, 2, 3, 6, 9)
)
