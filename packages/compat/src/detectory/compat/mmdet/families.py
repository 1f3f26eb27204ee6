"""The architectures of MMDetection that can be converted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from .python_config import OriginalSettings

State = Mapping[str, Tensor]

#: Pixel statistics of ImageNet as torchvision's and MMDetection's own backbones use them.
RGB = {"pixel_mean": [123.675, 116.28, 103.53], "pixel_std": [58.395, 57.12, 57.375], "input_format": "RGB"}

#: Pixel means of the Caffe backbones in most configs of MMDetection 2 and 3.
BGR = {"pixel_mean": [103.53, 116.28, 123.675], "pixel_std": [1.0, 1.0, 1.0], "input_format": "BGR"}

#: Pixel means of Detectron's Caffe backbones, which MMDetection 1.x and some later configs use.
DETECTRON_BGR = BGR | {"pixel_mean": [102.9801, 115.9465, 122.7717]}


@dataclass(frozen=True)
class BuildOptions:
    """Settings of the original config that a state dict does not contain.

    Args:
        style: ResNet variant, `"pytorch"` or `"caffe"`.
        version_1: Whether the model was trained with MMDetection 1.x.
        settings: The original config, if there is one.
    """

    style: str = "pytorch"
    version_1: bool = False
    settings: OriginalSettings | None = None

    def head(self) -> Mapping[str, Any]:
        """Return the settings of the dense head in the original config, empty without a config."""
        return {} if self.settings is None else self.settings.head()


@dataclass(frozen=True)
class Family:
    """One architecture.

    Args:
        name: Name for messages and tables.
        marker: Entry that only state dicts of this architecture contain.
        convert: Returns the entries by the names of the Detectory model.
        config: Returns the config of the Detectory model, from the converted entries.
        image_size: Returns the `(height, width)` that all images are resized to, from the config; `None` if the
            resizing keeps the aspect ratio.
        edges: Shorter side of the resized images, and maximum of the longer side, in pixels.
        optimizer: Optimizer for further training, `"sgd"` or `"adamw"`.
        learning_rate: Its learning rate for a batch of 16; `None` for that of the architecture in the model zoo.
    """

    name: str
    marker: str
    convert: Callable[[State], dict[str, Tensor]] = field(repr=False)
    config: Callable[[State, BuildOptions], DictConfig] = field(repr=False)
    image_size: Callable[[DictConfig], tuple[int, int]] | None = field(default=None, repr=False)
    edges: Callable[[DictConfig], tuple[int, int]] | None = field(default=None, repr=False)
    optimizer: str = "sgd"
    learning_rate: float | None = None


@dataclass(frozen=True)
class DescribedModel:
    """A model of MMDetection as a config and weights.

    Args:
        architecture: Name of the architecture.
        version_1: Whether the model has the pixel conventions of MMDetection 1.x.
        config: Config of the Detectory model.
        state: The weights by the names of this model.
        image_size: `(height, width)` that all images are resized to, or `None`.
        edges: Shorter side of the resized images, and maximum of the longer side, in pixels.
        optimizer: Optimizer for further training, `"sgd"` or `"adamw"`.
        learning_rate: Its learning rate for a batch of 16, or `None`.
    """

    architecture: str
    version_1: bool
    config: DictConfig
    state: dict[str, Tensor]
    image_size: tuple[int, int] | None
    edges: tuple[int, int]
    optimizer: str
    learning_rate: float | None
