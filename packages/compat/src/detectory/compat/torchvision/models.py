"""Detectory models equivalent to torchvision's detectors."""

from typing import Any

from omegaconf import DictConfig
from torch import nn

from detectory.core.config import LazyCall, instantiate

from .dense import fcos_config, retinanet_config
from .resize import TorchvisionResize
from .ssd import ssd_config
from .two_stage import two_stage_config
from .weights import convert_state_dict

_CONFIGS = {
    "KeypointRCNN": two_stage_config,
    "MaskRCNN": two_stage_config,
    "FasterRCNN": two_stage_config,
    "RetinaNet": retinanet_config,
    "FCOS": fcos_config,
    "SSD": ssd_config,
}


def from_torchvision(model: nn.Module) -> nn.Module:
    """Build a detector with the same weights and outputs as a torchvision detector.

    Inputs follow our conventions: RGB images in [0, 255], not resized; `resize_config` returns torchvision's resizing.
    Class ids start at 0: torchvision's class 1 is class 0, except for RetinaNet and FCOS, which have no background and
    keep their ids.

    Args:
        model: A `FasterRCNN`, `MaskRCNN`, `KeypointRCNN`, `RetinaNet`, `FCOS` or `SSD` of torchvision with one of the
            backbones of its builders, or another ResNet or ResNeXt. Its thresholds, limits and anchors are used.

    Returns:
        The model in evaluation mode.

    Raises:
        TypeError: If the model is of another class.
        ValueError: If the model is of a supported class but has other components.
    """
    config = torchvision_config(model)
    state = convert_state_dict(model.state_dict())
    converted = instantiate(config)
    missing, unexpected = converted.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(
            f"from_torchvision: {type(model).__name__} differs from the supported architecture:"
            f" missing {missing[:3]}, unexpected {unexpected[:3]}"
        )
    return converted.eval()


def torchvision_config(model: nn.Module) -> DictConfig:
    """Return the config of the model that `from_torchvision` builds.

    Args:
        model: As for `from_torchvision`.

    Raises:
        TypeError: If the model is of another class.
    """
    for base in type(model).__mro__:
        if base.__name__ in _CONFIGS:
            return _CONFIGS[base.__name__](model)
    raise TypeError(f"from_torchvision: model must be one of {', '.join(_CONFIGS)}, got {type(model).__name__}")


def resize_config(model: Any) -> DictConfig:
    """Return the config of the augmentation that resizes images as a torchvision detector does in inference."""
    transform = model.transform
    if transform.fixed_size is not None:
        width, height = transform.fixed_size
        return LazyCall(TorchvisionResize)(fixed_size=[height, width])
    return LazyCall(TorchvisionResize)(min_size=transform.min_size[-1], max_size=transform.max_size)
