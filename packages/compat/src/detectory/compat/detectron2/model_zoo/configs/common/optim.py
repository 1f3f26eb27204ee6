"""The two optimizers of the configs."""

from detectory.compat.detectron2.model_zoo.targets import with_compat_targets
from detectory.zoo.parts.training import adamw, sgd

SGD = with_compat_targets(sgd())
AdamW = with_compat_targets(adamw(undecayed=()))
