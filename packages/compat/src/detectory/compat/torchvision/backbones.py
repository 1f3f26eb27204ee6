"""Backbones and pixel statistics of torchvision's detectors, as configs."""

from dataclasses import replace
from typing import Any

from omegaconf import DictConfig
from torch import nn

from detectory.compat._pytorch_resnet import resnet_depth
from detectory.core.checkpoint.torchvision_names import resnet_name
from detectory.core.config import LazyCall
from detectory.modeling.backbone import BasicStem, ResNet
from detectory.zoo.parts.resnet import R_50, use_resnet

from .parts import batch_norm, frozen_batch_norm

_DEFAULT_EPSILON, _DEFAULT_MOMENTUM = 1e-5, 0.1

#: Channels of the 3×3 convolutions in the first stage of a ResNet.
_WIDTH = 64


def set_pixels(config: DictConfig, source: Any) -> None:
    """Set mean and standard deviation of the pixels from a torchvision model, whose images are in [0, 1]."""
    config.pixel_mean = [255 * value for value in source.transform.image_mean]
    config.pixel_std = [255 * value for value in source.transform.image_std]
    config.input_format = "RGB"


def norm_spec(norm: nn.Module) -> Any:
    """Return the norm of a torchvision model, as `get_norm` takes it."""
    eps = getattr(norm, "eps", _DEFAULT_EPSILON)
    if not isinstance(norm, nn.BatchNorm2d):
        return "FrozenBN" if eps == _DEFAULT_EPSILON else LazyCall(frozen_batch_norm)(eps=eps)
    if (eps, norm.momentum) == (_DEFAULT_EPSILON, _DEFAULT_MOMENTUM):
        return "BN"
    return LazyCall(batch_norm)(eps=eps, momentum=norm.momentum)


def set_resnet(config: DictConfig, source: Any) -> None:
    """Set the ResNet and the norms of the feature pyramid.

    Args:
        config: Config of a model with `backbone.bottom_up`; modified in place.
        source: A torchvision model with a ResNet-FPN.
    """
    body = source.backbone.body
    names = [ours for name in body.state_dict() if (ours := resnet_name(name)) is not None]
    depth, norm = resnet_depth(names), norm_spec(body.bn1)
    convolution = body.layer1[0].conv2
    groups, width = convolution.groups, convolution.out_channels
    if groups > 1 or (width != _WIDTH and depth >= 50):
        variant = replace(
            R_50, depth=depth, num_groups=groups, width_per_group=width // groups, stride_in_1x1=False, norm=norm
        )
        statistics = config.pixel_std
        use_resnet(config, variant)
        config.pixel_std = statistics
    else:
        config.backbone.bottom_up = LazyCall(ResNet)(
            stem=LazyCall(BasicStem)(in_channels=3, out_channels=64, norm=norm),
            stages=LazyCall(ResNet.make_default_stages)(depth=depth, stride_in_1x1=False, norm=norm),
            out_features=list(config.backbone.bottom_up.out_features),
            freeze_at=2,
        )
    lateral = source.backbone.fpn.inner_blocks[0]
    if len(lateral) > 1:
        config.backbone.norm = norm_spec(lateral[1])
