"""Anchor generators and their registry."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.layers import ShapeSpec
from detectory.compat.detectron2.modeling.scriptable import ScriptableAnchors, ScriptableRotatedAnchors
from detectory.compat.detectron2.utils.registry import Registry
from detectory.modeling import anchor_generator as native
from detectory.structures import Boxes, RotatedBoxes

__all__ = [
    "ANCHOR_GENERATOR_REGISTRY",
    "BufferList",
    "DefaultAnchorGenerator",
    "Registry",
    "RotatedAnchorGenerator",
    "_broadcast_params",
    "build_anchor_generator",
]

ANCHOR_GENERATOR_REGISTRY = Registry("ANCHOR_GENERATOR")


def _create_grid_offsets(
    size: tuple[int, int], stride: int, offset: float, target_device_tensor: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the x and y coordinates of every cell of a feature map, in row-major order.

    Args:
        size: `(height, width)` of the feature map.
        stride: Cell size in pixels.
        offset: Position inside a cell as a fraction of the stride, 0.5 for the centre.
        target_device_tensor: Tensor whose device is used.
    """
    height, width = size
    device = target_device_tensor.device
    x, y = ((torch.arange(count, dtype=torch.float32, device=device) + offset) * stride for count in (width, height))
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return grid_x.reshape(-1), grid_y.reshape(-1)


class BufferList(nn.Module):
    """A list of non-persistent buffers.

    Args:
        buffers: The tensors; they move with the module and are not saved in checkpoints.
    """

    def __init__(self, buffers: list[Tensor]) -> None:
        super().__init__()
        for index, buffer in enumerate(buffers):
            self.register_buffer(str(index), buffer, persistent=False)

    def __len__(self) -> int:
        return len(self._buffers)

    def __iter__(self) -> Any:
        return iter(self._buffers.values())


@ANCHOR_GENERATOR_REGISTRY.register()
class DefaultAnchorGenerator(native.DefaultAnchorGenerator):
    """`detectory.modeling.anchor_generator.DefaultAnchorGenerator` that can also be built from a config."""

    __init__ = configurable(native.DefaultAnchorGenerator.__init__)
    num_cell_anchors = native.DefaultAnchorGenerator.num_anchors

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return ScriptableAnchors(self) if type(self) is DefaultAnchorGenerator else self

    def forward(self, features: Sequence[Tensor]) -> list[Boxes]:
        """Return the anchors of every level, from `_grid_anchors` if a subclass replaces it."""
        if type(self)._grid_anchors is DefaultAnchorGenerator._grid_anchors:
            return super().forward(features)
        return [Boxes(grid) for grid in self._grid_anchors([feature.shape[-2:] for feature in features])]

    def _grid_anchors(self, grid_sizes: Sequence[Sequence[int]]) -> list[Tensor]:
        """Return the anchors of feature maps with the given `(height, width)`, one tensor per map."""
        cells = self.cell_anchors
        # Tensors without memory: only shape and device are used.
        maps = [cell.new_empty(1).expand(tuple(size)) for cell, size in zip(cells, grid_sizes, strict=True)]
        return self._grids(maps)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        """Read the arguments from `MODEL.ANCHOR_GENERATOR`, strides from the feature maps."""
        return {
            "sizes": cfg.MODEL.ANCHOR_GENERATOR.SIZES,
            "aspect_ratios": cfg.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS,
            "strides": [shape.stride for shape in input_shape],
            "offset": cfg.MODEL.ANCHOR_GENERATOR.OFFSET,
        }


@ANCHOR_GENERATOR_REGISTRY.register()
class RotatedAnchorGenerator(native.RotatedAnchorGenerator):
    """`detectory.modeling.anchor_generator.RotatedAnchorGenerator` that can also be built from a config."""

    __init__ = configurable(native.RotatedAnchorGenerator.__init__)
    num_cell_anchors = native.RotatedAnchorGenerator.num_anchors
    _grid_anchors = DefaultAnchorGenerator._grid_anchors

    def forward(self, features: Sequence[Tensor]) -> list[RotatedBoxes]:
        """Return the anchors of every level, from `_grid_anchors` if a subclass replaces it."""
        if type(self)._grid_anchors is RotatedAnchorGenerator._grid_anchors:
            return super().forward(features)
        return [RotatedBoxes(grid) for grid in self._grid_anchors([feature.shape[-2:] for feature in features])]

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the scriptable equivalent of this class; subclasses are scripted as they are."""
        return ScriptableRotatedAnchors(self) if type(self) is RotatedAnchorGenerator else self

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        """Read the arguments from `MODEL.ANCHOR_GENERATOR`, strides from the feature maps."""
        return {
            **DefaultAnchorGenerator.from_config(cfg, input_shape),
            "angles": cfg.MODEL.ANCHOR_GENERATOR.ANGLES,
        }


def build_anchor_generator(cfg: CfgNode, input_shape: list[ShapeSpec]) -> Any:
    """Build the generator named by `MODEL.ANCHOR_GENERATOR.NAME` for feature maps of these shapes."""
    return ANCHOR_GENERATOR_REGISTRY.get(cfg.MODEL.ANCHOR_GENERATOR.NAME)(cfg, input_shape)


def _broadcast_params(params: Sequence[Any], num_features: int, name: str) -> Sequence[Any]:
    """Return a list of parameters per feature map; a single list is used for all of them.

    Raises:
        ValueError: If the number of lists is neither 1 nor `num_features`.
    """
    if not params:
        raise ValueError(f"_broadcast_params: {name} must not be empty")
    if not isinstance(params[0], list | tuple):
        return [params] * num_features
    if len(params) == 1:
        return list(params) * num_features
    if len(params) != num_features:
        raise ValueError(f"_broadcast_params: {name} must have {num_features} lists, got {len(params)}")
    return params
