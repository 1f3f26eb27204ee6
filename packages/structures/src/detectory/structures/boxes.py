"""Axis-aligned boxes of one image."""

import numpy as np
import torch

from ._annotations import Device, Index, Rows
from ._pytree import register_tensor_holder


class Boxes:
    """N boxes `(x1, y1, x2, y2)` in absolute, continuous image coordinates; behaves like a tensor of rows.

    `clip` and `scale` change the object, never the tensor that it was made from.

    Args:
        tensor: Shape (N, 4); becomes float32. An empty tensor of any shape and an empty list are zero boxes.
            Lists and arrays are placed on the CPU.

    Raises:
        ValueError: when the shape is another one.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        if not isinstance(tensor, torch.Tensor):
            tensor = torch.as_tensor(np.asarray(tensor, dtype=np.float32))
        tensor = tensor.to(torch.float32)
        # The number of rows is looked at last: under torch.export it may be unknown.
        if tensor.dim() != 2 or tensor.size(-1) != 4:
            if tensor.numel() != 0:
                raise ValueError(f"Boxes: tensor must have shape (N, 4), got {list(tensor.shape)}")
            tensor = tensor.reshape(0, 4)
        self.tensor = tensor

    def clone(self) -> "Boxes":
        """Return boxes with a copy of the tensor."""
        return Boxes(self.tensor.clone())

    def to(self, device: Device) -> "Boxes":
        """Return the boxes on `device`; the dtype stays float32."""
        return Boxes(self.tensor.to(device=device))

    def area(self) -> torch.Tensor:
        """Return the areas, shape (N,); negative where exactly one side is."""
        x1, y1, x2, y2 = self.tensor.unbind(dim=1)
        return (x2 - x1) * (y2 - y1)

    def clip(self, box_size: tuple[int, int]) -> None:
        """Limit x to [0, width] and y to [0, height], in place. NaN stays NaN.

        Args:
            box_size: `(height, width)` of the image.
        """
        h, w = box_size[0], box_size[1]  # a tensor while torch.jit.trace records
        x1, y1, x2, y2 = self.tensor.unbind(dim=1)
        self.tensor = torch.stack(
            [x1.clamp(min=0, max=w), y1.clamp(min=0, max=h), x2.clamp(min=0, max=w), y2.clamp(min=0, max=h)], dim=1
        )

    def nonempty(self, threshold: float = 0.0) -> torch.Tensor:
        """Return a bool tensor (N,): both sides are longer than `threshold`."""
        x1, y1, x2, y2 = self.tensor.unbind(dim=1)
        return (x2 - x1 > threshold) & (y2 - y1 > threshold)

    def __getitem__(self, item: Index) -> "Boxes":
        """Select rows; an int gives one box, a slice shares storage.

        Args:
            item: Int, slice, tensor of indices, or bool tensor of length N.
        """
        if isinstance(item, int):
            return Boxes(self.tensor[item].reshape(1, -1))
        rows = self.tensor[item]
        if rows.dim() != 2:
            raise IndexError(f"Boxes: an index must select rows, this one gave shape {list(rows.shape)}")
        return Boxes(rows)

    def __len__(self) -> int:
        return self.tensor.shape[0]

    @torch.jit.unused
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.tensor})"

    def inside_box(self, box_size: tuple[int, int], boundary_threshold: int = 0) -> torch.Tensor:
        """Return a bool tensor (N,): the box leaves the image by no more than `boundary_threshold`.

        Args:
            box_size: `(height, width)` of the image.
            boundary_threshold: Pixels, exclusive at the right and the bottom.
        """
        h, w = box_size
        x1, y1, x2, y2 = self.tensor.unbind(dim=1)
        return (
            (x1 >= -boundary_threshold)
            & (y1 >= -boundary_threshold)
            & (x2 < w + boundary_threshold)
            & (y2 < h + boundary_threshold)
        )

    def get_centers(self) -> torch.Tensor:
        """Return the centres `(x, y)`, shape (N, 2)."""
        return (self.tensor[:, :2] + self.tensor[:, 2:]) / 2

    def scale(self, scale_x: float, scale_y: float) -> None:
        """Multiply x by `scale_x` and y by `scale_y`, in place."""
        x1, y1, x2, y2 = self.tensor.unbind(dim=1)
        self.tensor = torch.stack([x1 * scale_x, y1 * scale_y, x2 * scale_x, y2 * scale_y], dim=1)

    @classmethod
    def cat(cls, boxes_list: list["Boxes"]) -> "Boxes":
        """Join lists of boxes into one; of no lists, zero boxes.

        Raises:
            TypeError: when an entry is no `Boxes`.
        """
        if not torch.jit.is_scripting():
            for position, boxes in enumerate(boxes_list):
                if not isinstance(boxes, Boxes):
                    raise TypeError(f"{cls.__name__}.cat: entry {position} must be Boxes, got {type(boxes).__name__}")
        if len(boxes_list) == 0:
            return cls(torch.empty(0))
        return cls(torch.cat([boxes.tensor for boxes in boxes_list], dim=0))

    @property
    def device(self) -> Device:
        """Where the tensor is."""
        return self.tensor.device

    @torch.jit.unused
    def __iter__(self) -> Rows:
        """Yield one box at a time, shape (4,)."""
        yield from self.tensor


def box_tensor(function: str, boxes: Boxes | torch.Tensor, count: int) -> torch.Tensor:
    """Return the tensor of `boxes`, shape (count, 4), or raise a `ValueError` in the name of `function`."""
    tensor = boxes.tensor if isinstance(boxes, Boxes) else boxes
    if tensor.dim() != 2 or tensor.shape[1] != 4 or tensor.shape[0] != count:
        raise ValueError(f"{function}: boxes must have shape ({count}, 4), got {tuple(tensor.shape)}")
    return tensor


register_tensor_holder(Boxes)
