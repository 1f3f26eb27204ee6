"""Masks relative to boxes, as a mask head predicts them."""

import torch

from detectory import ops

from ._annotations import Rows
from ._pytree import register_tensor_holder
from ._tensor_rows import TensorRows
from .bit_masks import BitMasks
from .boxes import Boxes


class ROIMasks(TensorRows):
    """N square masks, each relative to a box that is stored separately.

    Args:
        tensor: Shape (N, M, M), probabilities in [0, 1].

    Raises:
        ValueError: If the shape is invalid.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        if tensor.dim() != 3:
            raise ValueError(f"ROIMasks: tensor must have shape (N, M, M), got {tuple(tensor.shape)}")
        super().__init__(tensor)

    def __iter__(self) -> Rows:
        """Yield each mask, shape (M, M)."""
        yield from self.tensor

    def __repr__(self) -> str:
        return f"ROIMasks(num_instances={len(self)}, mask_size={tuple(self.tensor.shape[1:])})"

    def to_bitmasks(self, boxes: Boxes | torch.Tensor, height: int, width: int, threshold: float = 0.5) -> BitMasks:
        """Resample each mask to the pixels of its box and paste it into the image.

        Args:
            boxes: The N boxes of the masks, `Boxes` or a tensor of shape (N, 4), in pixels.
            height: The height of the image.
            width: The width of the image.
            threshold: The smallest resampled probability that is inside the object.

        Raises:
            ValueError: If the number of boxes differs from the number of masks.
        """
        tensor = boxes.tensor if isinstance(boxes, Boxes) else boxes
        if tensor.shape[0] != self.tensor.shape[0]:
            raise ValueError(f"ROIMasks.to_bitmasks: boxes must be {len(self)} boxes, got {tensor.shape[0]}")
        return BitMasks(ops.paste_masks(self.tensor, tensor, (height, width), threshold))

    @staticmethod
    def cat(roi_masks_list: list["ROIMasks"]) -> "ROIMasks":
        """Concatenate masks of the same size.

        Raises:
            ValueError: If the list is empty.
            TypeError: If an entry is not `ROIMasks`.
        """
        return ROIMasks._concatenate(roi_masks_list)


register_tensor_holder(ROIMasks)
