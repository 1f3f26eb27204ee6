"""Masks that live inside boxes, as a mask head predicts them."""

import torch

from detectory import ops

from ._annotations import Index, Rows
from ._pytree import register_tensor_holder
from .bit_masks import BitMasks
from .boxes import Boxes


class ROIMasks:
    """N square masks, each relative to a box that is kept elsewhere.

    Args:
        tensor: Shape (N, M, M), probabilities in [0, 1].

    Raises:
        ValueError: when the shape is another one.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        if tensor.dim() != 3:
            raise ValueError(f"ROIMasks: tensor must have shape (N, M, M), got {tuple(tensor.shape)}")
        self.tensor = tensor

    @property
    def device(self) -> torch.device:
        """Where the tensor is."""
        return self.tensor.device

    def to(self, device: torch.device) -> "ROIMasks":
        """Return the masks on `device`."""
        return ROIMasks(self.tensor.to(device))

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __getitem__(self, item: Index) -> "ROIMasks":
        """Select masks; an int gives one mask, a slice shares storage.

        Args:
            item: Int, slice, tensor of indices, or bool tensor of length N.
        """
        if isinstance(item, int):
            return ROIMasks(self.tensor[item].unsqueeze(0))
        masks = self.tensor[item]
        if masks.dim() != 3:
            raise IndexError(f"ROIMasks: an index must select whole masks, this one gave shape {tuple(masks.shape)}")
        return ROIMasks(masks)

    def __iter__(self) -> Rows:
        """Yield one mask at a time, shape (M, M)."""
        yield from self.tensor

    def __repr__(self) -> str:
        return f"ROIMasks(num_instances={len(self)}, mask_size={tuple(self.tensor.shape[1:])})"

    def to_bitmasks(self, boxes: Boxes | torch.Tensor, height: int, width: int, threshold: float = 0.5) -> BitMasks:
        """Paste each mask into the image at its box.

        Args:
            boxes: N boxes, or their tensor of shape (N, 4).
            height: Of the image, pixels.
            width: Of the image, pixels.
            threshold: A pixel belongs to the mask from this resampled value on.
        """
        tensor = boxes.tensor if isinstance(boxes, Boxes) else boxes
        if tensor.shape[0] != self.tensor.shape[0]:
            raise ValueError(f"ROIMasks.to_bitmasks: boxes must be {len(self)} boxes, got {tensor.shape[0]}")
        return BitMasks(ops.paste_masks(self.tensor, tensor, (height, width), threshold))

    @staticmethod
    def cat(roi_masks_list: list["ROIMasks"]) -> "ROIMasks":
        """Join masks of equal side.

        Raises:
            ValueError: when the list is empty.
        """
        if len(roi_masks_list) == 0:
            raise ValueError("ROIMasks.cat: needs at least one entry, got none")
        return ROIMasks(torch.cat([masks.tensor for masks in roi_masks_list], dim=0))


register_tensor_holder(ROIMasks)
