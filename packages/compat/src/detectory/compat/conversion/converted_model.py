"""The result of a conversion."""

from collections.abc import Mapping
from dataclasses import dataclass

from omegaconf import DictConfig
from torch import Tensor


@dataclass(frozen=True)
class ConvertedModel:
    """A model of another system as a config and weights.

    Args:
        system: Name of the system, such as "MMDetection 1.x".
        architecture: Name of the architecture.
        config: Config of the model.
        state: The weights by the names of this model.
        classes: The class names in the order of the model's classes; `None` if the checkpoint does not contain them.
        image_size: `(height, width)` that images are resized to, without keeping the aspect ratio; `None` for a shorter
            side of 800 and a longer side of at most 1333 pixels.
        resize: Config of the augmentation that resizes images, instead of the default or `image_size`.
        optimizer: Optimizer for further training, `"sgd"` or `"adamw"`.
        learning_rate: Its learning rate for a batch of 16; `None` for that of the architecture in the model zoo.
    """

    system: str
    architecture: str
    config: DictConfig
    state: Mapping[str, Tensor]
    classes: tuple[str, ...] | None = None
    image_size: tuple[int, int] | None = None
    resize: DictConfig | None = None
    optimizer: str = "sgd"
    learning_rate: float | None = None
