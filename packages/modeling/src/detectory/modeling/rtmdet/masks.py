"""Instance masks from dynamic convolutions of shared features."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.yolo.blocks import ConvStyle

#: The coordinates relative to an object are divided by this number of strides.
_COORDINATE_RANGE = 8


class MaskFeatures(nn.Module):
    """Features of the finest level that all masks have in common.

    Args:
        in_channels: Channels of the levels.
        channels: Channels of the convolutions.
        num_levels: Number of levels.
        num_prototypes: Channels of the output.
        depth: Number of convolutions.
        norm_eps: Constant added to the variance by the batch norms.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_levels: int,
        num_prototypes: int = 8,
        depth: int = 4,
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        style = ConvStyle(norm_eps=norm_eps)
        widths = [in_channels, *[channels] * depth]
        self.fusion = nn.Conv2d(num_levels * in_channels, in_channels, 1)
        self.convs = nn.Sequential(*(style.dense(a, b, 3) for a, b in itertools.pairwise(widths)))
        self.projection = nn.Conv2d(channels, num_prototypes, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map the levels, from fine to coarse, to `(B, num_prototypes, H, W)` of the finest level."""
        size = features[0].shape[-2:]
        resized = [F.interpolate(x, size=size, mode="bilinear") for x in features[1:]]
        return self.projection(self.convs(self.fusion(torch.cat([features[0], *resized], dim=1))))


class DynamicMasks:
    """Small networks of 1×1 convolutions, one per object, with weights that the head predicts.

    Args:
        num_prototypes: Channels of the mask features, to which two relative coordinates are added.
        channels: Channels between the convolutions.
        depth: Number of convolutions.

    Source: Tian et al., "Conditional Convolutions for Instance Segmentation", 2020, section 3.
    """

    def __init__(self, num_prototypes: int = 8, channels: int = 8, depth: int = 3) -> None:
        widths = [num_prototypes + 2, *[channels] * (depth - 1), 1]
        self.shapes = list(zip(widths[1:], widths[:-1], strict=True))  # (out, in) of each convolution

    @property
    def num_parameters(self) -> int:
        """Number of predicted weights and biases per object."""
        return sum(out * width + out for out, width in self.shapes)

    def __call__(self, features: Tensor, parameters: Tensor, points: Tensor, strides: Tensor, stride: int) -> Tensor:
        """Return the mask logits of the objects of one image.

        Args:
            features: `(num_prototypes, H, W)` of the finest level.
            parameters: `(N, num_parameters)`: the weights of all convolutions, then the biases.
            points: `(N, 2)` reference points of the objects in pixels.
            strides: `(N,)` strides of the levels of the objects.
            stride: Stride of the finest level.

        Returns:
            `(N, H, W)`.
        """
        height, width = features.shape[-2:]
        count = parameters.shape[0]
        y = torch.arange(height, dtype=torch.float32, device=features.device) * stride
        x = torch.arange(width, dtype=torch.float32, device=features.device) * stride
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"))  # (2, H, W)
        scale = (strides * _COORDINATE_RANGE)[:, None, None, None]
        relative = (points[:, :, None, None] - grid) / scale  # (N, 2, H, W)
        inputs = torch.cat((relative.to(features.dtype), features.expand(count, -1, -1, -1)), dim=1)
        values = inputs.flatten(2)  # (N, C, H * W)
        sizes = [out * width for out, width in self.shapes] + [out for out, _ in self.shapes]
        parts = parameters.split(sizes, dim=1)
        for i, shape in enumerate(self.shapes):
            weight, bias = parts[i].unflatten(1, shape), parts[i + len(self.shapes)].unsqueeze(2)
            values = torch.baddbmm(bias, weight, values)
            if i + 1 < len(self.shapes):
                values = values.relu()
        return values.reshape(count, height, width)


def dice_loss(logits: Tensor, masks: Tensor, eps: float = 5e-6) -> Tensor:
    """Return the dice losses `(N,)` of mask logits and binary masks, both `(N, H, W)`.

    Source: Milletari et al., "V-Net", 2016, section 3.
    """
    predicted, wanted = logits.sigmoid().flatten(1), masks.to(logits.dtype).flatten(1)
    overlap = (predicted * wanted).sum(dim=1)
    return 1 - 2 * overlap / (predicted.square().sum(dim=1) + wanted.square().sum(dim=1) + 2 * eps)


def resized_masks(
    logits: Tensor, stride: int, image_size: tuple[int, int], output_size: tuple[int, int], threshold: float
) -> Tensor:
    """Return binary masks at the size of the output.

    Args:
        logits: `(N, H, W)` of the padded image.
        stride: Pixels of the padded image per cell.
        image_size: `(height, width)` of the image without padding.
        output_size: `(height, width)` of the output.
        threshold: Minimum probability of a mask pixel, exclusive.

    Returns:
        `(N, *output_size)` bool.
    """
    height, width = output_size
    scales = (height / image_size[0], width / image_size[1])
    size = [_ceil(side * stride * scale) for side, scale in zip(logits.shape[-2:], scales, strict=True)]
    masks = torch.zeros((len(logits), height, width), dtype=torch.bool, device=logits.device)
    for mask, logit in zip(masks, logits, strict=True):  # one by one: all masks at once would need gigabytes
        full = F.interpolate(logit[None, None], scale_factor=stride, mode="bilinear")
        resized = F.interpolate(full, size=size, mode="bilinear", align_corners=False)
        mask.copy_(resized[0, 0, :height, :width].sigmoid() > threshold)
    return masks


def _ceil(value: float) -> int:
    """Return the smallest integer that is not below `value`, up to the rounding error of products."""
    nearest = round(value)
    return nearest if abs(value - nearest) < 1e-6 else int(-(-value // 1))
