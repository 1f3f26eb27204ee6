"""Masks of the objects of one image as full-image bitmaps."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch

from detectory import ops

from ._annotations import Rows
from ._pytree import register_tensor_holder
from ._tensor_rows import TensorRows
from .boxes import Boxes, box_tensor


class _MasksInsideBoxes(Protocol):
    """The method of `ROIMasks` that `BitMasks` needs, without an import that would be circular."""

    def to_bitmasks(self, boxes: Boxes | torch.Tensor, height: int, width: int) -> "BitMasks": ...


class BitMasks(TensorRows):
    """N masks of one image, one bool per pixel.

    Args:
        tensor: Shape (N, H, W), a tensor or an array; converted to bool, non-zero is inside the object.

    Attributes:
        tensor: Bool, shape (N, H, W).

    Raises:
        ValueError: If the shape is invalid.
    """

    def __init__(self, tensor: torch.Tensor | np.ndarray) -> None:
        if not isinstance(tensor, torch.Tensor):
            tensor = torch.as_tensor(np.asarray(tensor))
        if tensor.dim() != 3:
            raise ValueError(f"BitMasks: tensor must have shape (N, H, W), got {tuple(tensor.shape)}")
        super().__init__(tensor.to(torch.bool))

    @property
    def image_size(self) -> tuple[int, int]:
        """`(height, width)` of the masks."""
        return self.tensor.shape[1], self.tensor.shape[2]

    def __iter__(self) -> Rows:
        """Yield each mask, shape (H, W)."""
        yield from self.tensor

    def __repr__(self) -> str:
        return f"BitMasks(num_instances={len(self)}, image_size={self.image_size})"

    def nonempty(self) -> torch.Tensor:
        """Return whether each mask has at least one pixel, bool of shape (N,)."""
        return self.tensor.flatten(1).any(dim=1)

    @staticmethod
    def from_polygon_masks(polygon_masks: Iterable[Sequence[np.ndarray]], height: int, width: int) -> "BitMasks":
        """Rasterise polygons with COCO's rule, as pycocotools does.

        Args:
            polygon_masks: `PolygonMasks`, or a list of polygons `[x0, y0, x1, y1, …]` per object, in pixels.
            height: The height of the image.
            width: The width of the image.
        """
        masks = [ops.polygons_to_mask(polygons, height, width) for polygons in polygon_masks]
        return BitMasks(torch.stack(masks) if masks else torch.zeros(0, height, width))

    @staticmethod
    def from_roi_masks(
        roi_masks: _MasksInsideBoxes, height: int, width: int, boxes: Boxes | torch.Tensor | None = None
    ) -> "BitMasks":
        """Paste masks that are relative to boxes into the image and threshold them at 0.5.

        Args:
            roi_masks: `ROIMasks` of N objects.
            height: The height of the image.
            width: The width of the image.
            boxes: The N boxes of the masks, required.

        Raises:
            ValueError: If `boxes` is missing.
        """
        if boxes is None:
            raise ValueError("BitMasks.from_roi_masks: boxes must be the boxes of the ROI masks, got None")
        return roi_masks.to_bitmasks(boxes, height, width)

    def crop_and_resize(self, boxes: torch.Tensor, mask_size: int) -> torch.Tensor:
        """Crop each mask to its box and resample it: the training targets of a mask head.

        Args:
            boxes: Shape (N, 4), one box per mask, in pixels.
            mask_size: The side of the result in cells.

        Returns:
            Bool, shape (N, mask_size, mask_size): true if the mean of the mask over the cell is at least 0.5.

        Source: He et al. 2017, "Mask R-CNN", section 3.
        """
        boxes = box_tensor("BitMasks.crop_and_resize", boxes, len(self)).to(self.device)
        index = torch.arange(len(self), device=self.device, dtype=boxes.dtype)
        rois = torch.cat([index[:, None], boxes], dim=1)  # (N, 5)
        cropped = ops.roi_align(
            self.tensor[:, None].to(torch.float32), rois, (mask_size, mask_size), 1.0, sampling_ratio=0, aligned=True
        )
        return cropped[:, 0] >= 0.5

    def get_bounding_boxes(self) -> Boxes:
        """Return the tight bounding boxes of the masks; zeros for an empty mask."""
        x1, x2 = _first_and_end(self.tensor.any(dim=1))
        y1, y2 = _first_and_end(self.tensor.any(dim=2))
        return Boxes(torch.stack([x1, y1, x2, y2], dim=1))

    @staticmethod
    def cat(bitmasks_list: list["BitMasks"]) -> "BitMasks":
        """Concatenate masks of the same image size.

        Raises:
            ValueError: If the list is empty.
            TypeError: If an entry is not `BitMasks`.
        """
        return BitMasks._concatenate(bitmasks_list)


def _first_and_end(occupied: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first true column and the last true column + 1 of each row, bool (N, L); zeros if none is true."""
    length = occupied.shape[1]
    if length == 0:
        zeros = torch.zeros(occupied.shape[0], dtype=torch.long, device=occupied.device)
        return zeros, zeros
    flags = occupied.to(torch.uint8)
    first, end = flags.argmax(dim=1), length - flags.flip(1).argmax(dim=1)
    return first, torch.where(occupied.any(dim=1), end, 0)


register_tensor_holder(BitMasks)
