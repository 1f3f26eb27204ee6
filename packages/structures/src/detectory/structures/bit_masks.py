"""Masks of one image's objects as bitmaps of the image's size."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from detectory import ops

from ._annotations import Index, Rows
from ._pytree import register_tensor_holder
from .boxes import Boxes, box_tensor


class _MasksInsideBoxes(Protocol):
    """The method of `ROIMasks` that `BitMasks` needs, without an import that would be circular."""

    def to_bitmasks(self, boxes: Boxes | torch.Tensor, height: int, width: int) -> "BitMasks": ...


class BitMasks:
    """N masks of one image, one bool per pixel.

    Args:
        tensor: Shape (N, H, W), tensor or array; becomes bool, non-zero is inside.

    Attributes:
        tensor: Bool, shape (N, H, W).
        image_size: `(H, W)`.

    Raises:
        ValueError: when the shape is another one.
    """

    def __init__(self, tensor: torch.Tensor | np.ndarray) -> None:
        if not isinstance(tensor, torch.Tensor):
            tensor = torch.as_tensor(np.asarray(tensor))
        if tensor.dim() != 3:
            raise ValueError(f"BitMasks: tensor must have shape (N, H, W), got {tuple(tensor.shape)}")
        self.tensor = tensor.to(torch.bool)

    @property
    def image_size(self) -> tuple[int, int]:
        """`(height, width)` of the masks."""
        return self.tensor.shape[1], self.tensor.shape[2]

    @property
    def device(self) -> torch.device:
        """Where the tensor is."""
        return self.tensor.device

    def to(self, *args: Any, **kwargs: Any) -> "BitMasks":
        """Return the masks on another device; the dtype stays bool."""
        return BitMasks(self.tensor.to(*args, **kwargs))

    def __getitem__(self, item: Index) -> "BitMasks":
        """Select masks; an int gives one mask, a slice shares storage.

        Args:
            item: Int, slice, tensor of indices, or bool tensor of length N.
        """
        if isinstance(item, int):
            return BitMasks(self.tensor[item].unsqueeze(0))
        masks = self.tensor[item]
        if masks.dim() != 3:
            raise IndexError(f"BitMasks: an index must select whole masks, this one gave shape {tuple(masks.shape)}")
        return BitMasks(masks)

    def __iter__(self) -> Rows:
        """Yield one mask at a time, shape (H, W)."""
        yield from self.tensor

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __repr__(self) -> str:
        return f"BitMasks(num_instances={len(self)}, image_size={self.image_size})"

    def nonempty(self) -> torch.Tensor:
        """Return a bool tensor (N,): the mask has at least one pixel."""
        return self.tensor.flatten(1).any(dim=1)

    @staticmethod
    def from_polygon_masks(polygon_masks: Iterable[Sequence[np.ndarray]], height: int, width: int) -> "BitMasks":
        """Rasterise polygons by COCO's rule.

        Args:
            polygon_masks: `PolygonMasks`, or a list of polygons `[x0, y0, x1, y1, …]` per object, in pixels.
            height: Of the image, pixels.
            width: Of the image, pixels.
        """
        masks = [ops.polygons_to_mask(polygons, height, width) for polygons in polygon_masks]
        return BitMasks(torch.stack(masks) if masks else torch.zeros(0, height, width))

    @staticmethod
    def from_roi_masks(
        roi_masks: _MasksInsideBoxes, height: int, width: int, boxes: Boxes | torch.Tensor | None = None
    ) -> "BitMasks":
        """Paste masks that live inside boxes into the image, thresholded at 0.5.

        Args:
            roi_masks: `ROIMasks` of N objects.
            height: Of the image, pixels.
            width: Of the image, pixels.
            boxes: N boxes, the places of the masks.

        Raises:
            ValueError: when `boxes` is missing.
        """
        if boxes is None:
            raise ValueError("BitMasks.from_roi_masks: ROI masks do not know their places; pass boxes=, got None")
        return roi_masks.to_bitmasks(boxes, height, width)

    def crop_and_resize(self, boxes: torch.Tensor, mask_size: int) -> torch.Tensor:
        """Cut each mask at its box and resample it, the training target of a mask head.

        Args:
            boxes: Shape (N, 4), one for each mask.
            mask_size: Side of the result, pixels.

        Returns:
            Bool, shape (N, mask_size, mask_size): the cell's mean over the mask is at least 0.5.
        """
        boxes = box_tensor("BitMasks.crop_and_resize", boxes, len(self)).to(self.device)
        index = torch.arange(len(self), device=self.device, dtype=boxes.dtype)
        rois = torch.cat([index[:, None], boxes], dim=1)  # (N, 5)
        cropped = ops.roi_align(
            self.tensor[:, None].to(torch.float32), rois, (mask_size, mask_size), 1.0, sampling_ratio=0, aligned=True
        )
        return cropped[:, 0] >= 0.5

    def get_bounding_boxes(self) -> Boxes:
        """Return the tightest boxes around the pixels; zeros for an empty mask."""
        boxes = [_first_and_end(self.tensor.any(dim=dim)) for dim in (1, 2)]
        (x1, x2), (y1, y2) = boxes
        return Boxes(torch.stack([x1, y1, x2, y2], dim=1))

    @staticmethod
    def cat(bitmasks_list: list["BitMasks"]) -> "BitMasks":
        """Join masks of one image size.

        Raises:
            ValueError: when the list is empty.
            TypeError: when an entry is no `BitMasks`.
        """
        if len(bitmasks_list) == 0:
            raise ValueError("BitMasks.cat: needs at least one entry, got none")
        for position, masks in enumerate(bitmasks_list):
            if not isinstance(masks, BitMasks):
                raise TypeError(f"BitMasks.cat: entry {position} must be BitMasks, got {type(masks).__name__}")
        return BitMasks(torch.cat([masks.tensor for masks in bitmasks_list], dim=0))


def _first_and_end(occupied: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for each row of a bool (N, L) the first true position and one past the last; zeros where none is."""
    length = occupied.shape[1]
    if length == 0:
        zeros = torch.zeros(occupied.shape[0], dtype=torch.long, device=occupied.device)
        return zeros, zeros
    flags = occupied.to(torch.uint8)
    first, end = flags.argmax(dim=1), length - flags.flip(1).argmax(dim=1)
    return first, torch.where(occupied.any(dim=1), end, 0)


register_tensor_holder(BitMasks)
