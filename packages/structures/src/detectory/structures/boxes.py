"""Axis-aligned boxes of one image."""

import numpy as np
import torch

from ._annotations import Device, Index, Rows
from ._pytree import register_tensor_holder


class Boxes:
    """N boxes `(x1, y1, x2, y2)` in pixels, continuous coordinates.

    `clip` and `scale` modify the object but not the tensor that was passed to the constructor. The class compiles with
    `torch.jit.script`, which restricts how it is written: no base class, no `type(self)` in scripted code.

    Args:
        tensor: Shape (N, 4), a tensor, an array or nested lists; converted to float32. Empty input of any shape becomes
            shape (0, 4).

    Attributes:
        tensor: Float32, shape (N, 4).

    Raises:
        ValueError: If the shape is invalid.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = float_rows("Boxes", tensor, 4)

    def _with_tensor(self, tensor: torch.Tensor) -> "Boxes":
        """Return boxes of the same class."""
        if not torch.jit.is_scripting():
            return type(self)(tensor)
        return Boxes(tensor)

    def clone(self) -> "Boxes":
        """Return a copy with its own tensor."""
        return self._with_tensor(self.tensor.clone())

    def to(self, device: Device) -> "Boxes":
        """Return the boxes on another device."""
        return self._with_tensor(self.tensor.to(device=device))

    def area(self) -> torch.Tensor:
        """Return the areas in square pixels, shape (N,). Negative if exactly one side of a box is negative."""
        x1, y1, x2, y2 = self.tensor.unbind(dim=1)
        return (x2 - x1) * (y2 - y1)

    def clip(self, box_size: tuple[int, int]) -> None:
        """Clamp x to [0, width] and y to [0, height], in place. NaN stays NaN.

        Args:
            box_size: `(height, width)` of the image.
        """
        h, w = box_size[0], box_size[1]  # no unpacking: under torch.jit.trace this is a tensor
        x1, y1, x2, y2 = self.tensor.unbind(dim=1)
        x1, x2 = x1.clamp(min=0, max=w), x2.clamp(min=0, max=w)
        y1, y2 = y1.clamp(min=0, max=h), y2.clamp(min=0, max=h)
        self.tensor = torch.stack([x1, y1, x2, y2], dim=1)

    def nonempty(self, threshold: float = 0.0) -> torch.Tensor:
        """Return whether both sides of each box are longer than `threshold` pixels, bool of shape (N,)."""
        x1, y1, x2, y2 = self.tensor.unbind(dim=1)
        return (x2 - x1 > threshold) & (y2 - y1 > threshold)

    def __getitem__(self, item: Index) -> "Boxes":
        """Select boxes. An int selects one box; a slice shares storage with the original.

        Args:
            item: An int, a slice, a tensor of indices, or a bool tensor of length N.

        Raises:
            IndexError: If the index is out of range or selects columns.
        """
        if isinstance(item, int):
            return self._with_tensor(self.tensor[item].reshape(1, -1))
        rows = self.tensor[item]
        if rows.dim() != 2:
            raise IndexError(f"Boxes: index must select whole boxes, got a result of shape {list(rows.shape)}")
        return self._with_tensor(rows)

    def __len__(self) -> int:
        return self.tensor.shape[0]

    @torch.jit.unused
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.tensor})"

    def inside_box(self, box_size: tuple[int, int], boundary_threshold: int = 0) -> torch.Tensor:
        """Return whether each box is inside the image, bool of shape (N,).

        Args:
            box_size: `(height, width)` of the image.
            boundary_threshold: How far a box may extend beyond the image, in pixels; exclusive at the right and bottom.
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
        """Concatenate boxes; an empty list returns zero boxes.

        Raises:
            TypeError: If an entry is of another class.
        """
        if not torch.jit.is_scripting():
            for position, boxes in enumerate(boxes_list):
                if not isinstance(boxes, cls):
                    name = cls.__name__
                    raise TypeError(f"{name}.cat: entry {position} must be {name}, got {type(boxes).__name__}")
        if len(boxes_list) == 0:
            return cls(torch.empty(0))
        return cls(torch.cat([boxes.tensor for boxes in boxes_list], dim=0))

    @property
    def device(self) -> Device:
        """The device of the tensor."""
        return self.tensor.device

    @torch.jit.unused
    def __iter__(self) -> Rows:
        """Yield the row of each box, shape (4,); (5,) for rotated boxes."""
        yield from self.tensor


def float_rows(name: str, tensor: torch.Tensor, columns: int) -> torch.Tensor:
    """Return the constructor argument of the class `name` as a float32 tensor of shape (N, columns)."""
    if not isinstance(tensor, torch.Tensor):
        tensor = torch.as_tensor(np.asarray(tensor, dtype=np.float32))
    tensor = tensor.to(torch.float32)
    # Check the number of rows last: it may be unknown under torch.export.
    if tensor.dim() != 2 or tensor.size(-1) != columns:
        if tensor.numel() != 0:
            raise ValueError(f"{name}: tensor must have shape (N, {columns}), got {list(tensor.shape)}")
        tensor = tensor.reshape(0, columns)
    return tensor


def box_tensor(function: str, boxes: Boxes | torch.Tensor, count: int) -> torch.Tensor:
    """Return the tensor of `boxes`, shape (count, 4). Errors name `function` as the caller."""
    tensor = boxes.tensor if isinstance(boxes, Boxes) else boxes
    if tensor.dim() != 2 or tensor.shape[1] != 4 or tensor.shape[0] != count:
        raise ValueError(f"{function}: boxes must have shape ({count}, 4), got {tuple(tensor.shape)}")
    return tensor


register_tensor_holder(Boxes)
