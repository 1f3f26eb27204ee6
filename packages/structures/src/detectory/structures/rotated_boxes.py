"""Rotated boxes of one image."""

import math

import numpy as np
import torch

from ._annotations import Index, Rows
from ._pytree import register_tensor_holder
from .boxes import Boxes


class RotatedBoxes(Boxes):
    """N boxes `(x_center, y_center, width, height, angle)` in absolute coordinates.

    The angle is in degrees; any real number is allowed, [-180, 180) is the principal range. A positive angle turns
    the box counter-clockwise on the screen (x to the right, y down), so a corner at offset `(dx, dy)` from the centre
    of the unrotated box comes to `(cos a dx + sin a dy, cos a dy - sin a dx)`. Angles that differ by 180 cover the
    same region, yet pool different features: they are not the same box.

    Args:
        tensor: Shape (N, 5); becomes float32. An empty tensor of any shape and an empty list are zero boxes.

    Raises:
        ValueError: when the shape is another one.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        if not isinstance(tensor, torch.Tensor):
            tensor = torch.as_tensor(np.asarray(tensor, dtype=np.float32))
        tensor = tensor.to(torch.float32)
        if tensor.dim() != 2 or tensor.size(-1) != 5:
            if tensor.numel() != 0:
                raise ValueError(f"RotatedBoxes: tensor must have shape (N, 5), got {list(tensor.shape)}")
            tensor = tensor.reshape(0, 5)
        self.tensor = tensor

    def clone(self) -> "RotatedBoxes":
        """Return boxes with a copy of the tensor."""
        return RotatedBoxes(self.tensor.clone())

    def to(self, device: torch.device) -> "RotatedBoxes":
        """Return the boxes on `device`; the dtype stays float32."""
        return RotatedBoxes(self.tensor.to(device=device))

    def area(self) -> torch.Tensor:
        """Return the areas, shape (N,)."""
        return self.tensor[:, 2] * self.tensor[:, 3]

    def normalize_angles(self) -> None:
        """Bring the angles into [-180, 180), in the tensor itself."""
        self.tensor[:, 4] = (self.tensor[:, 4] + 180.0) % 360.0 - 180.0

    def clip(self, box_size: tuple[int, int], clip_angle_threshold: float = 1.0) -> None:
        """Normalise the angles, then limit the nearly horizontal boxes to the image, in the tensor itself.

        A box that is turned further has more than one way to be clipped and stays as it is; `roi_align_rotated` reads
        zeros outside the image.

        Args:
            box_size: `(height, width)` of the image.
            clip_angle_threshold: Degrees; boxes with a larger absolute angle stay.
        """
        self.normalize_angles()
        image_h, image_w = box_size[0], box_size[1]
        cx, cy, w, h, angle = self.tensor.unbind(dim=1)
        x1, x2 = (cx - w / 2).clamp(min=0, max=image_w), (cx + w / 2).clamp(min=0, max=image_w)
        y1, y2 = (cy - h / 2).clamp(min=0, max=image_h), (cy + h / 2).clamp(min=0, max=image_h)
        # minimum: rounding must not let a box grow.
        clipped = [(x1 + x2) / 2, (y1 + y2) / 2, torch.minimum(w, x2 - x1), torch.minimum(h, y2 - y1), angle]
        horizontal = (angle.abs() <= clip_angle_threshold).unsqueeze(1)
        self.tensor.copy_(torch.where(horizontal, torch.stack(clipped, dim=1), self.tensor))

    def nonempty(self, threshold: float = 0.0) -> torch.Tensor:
        """Return a bool tensor (N,): both sides are longer than `threshold`."""
        return (self.tensor[:, 2] > threshold) & (self.tensor[:, 3] > threshold)

    def __getitem__(self, item: Index) -> "RotatedBoxes":
        """Select rows; an int gives one box, a slice shares storage.

        Args:
            item: Int, slice, tensor of indices, or bool tensor of length N.
        """
        if isinstance(item, int):
            return RotatedBoxes(self.tensor[item].reshape(1, -1))
        rows = self.tensor[item]
        if rows.dim() != 2:
            raise IndexError(f"RotatedBoxes: an index must select rows, this one gave shape {list(rows.shape)}")
        return RotatedBoxes(rows)

    def inside_box(self, box_size: tuple[int, int], boundary_threshold: int = 0) -> torch.Tensor:
        """Return a bool tensor (N,): the box's horizontal hull leaves the image by no more than `boundary_threshold`.

        Args:
            box_size: `(height, width)` of the image.
            boundary_threshold: Pixels, exclusive at the right and the bottom.
        """
        image_h, image_w = box_size
        cx, cy, w, h, angle = self.tensor.unbind(dim=1)
        cos, sin = torch.cos(angle * (math.pi / 180)).abs(), torch.sin(angle * (math.pi / 180)).abs()
        half_w, half_h = (cos * w + sin * h) / 2, (cos * h + sin * w) / 2
        return (
            (cx - half_w >= -boundary_threshold)
            & (cy - half_h >= -boundary_threshold)
            & (cx + half_w < image_w + boundary_threshold)
            & (cy + half_h < image_h + boundary_threshold)
        )

    def get_centers(self) -> torch.Tensor:
        """Return the centres `(x, y)`, shape (N, 2)."""
        return self.tensor[:, :2]

    def scale(self, scale_x: float, scale_y: float) -> None:
        """Stretch the image by `scale_x` and `scale_y` and the boxes with it, in place.

        Under unequal factors a turned rectangle becomes a parallelogram. It is approximated by the rectangle whose
        width and height are the stretched lengths of the box's two sides and whose angle is that of the stretched
        height side.
        """
        cx, cy, w, h, angle = self.tensor.unbind(dim=1)
        cos, sin = torch.cos(angle * (math.pi / 180)), torch.sin(angle * (math.pi / 180))
        width = w * torch.sqrt((scale_x * cos) ** 2 + (scale_y * sin) ** 2)
        height = h * torch.sqrt((scale_x * sin) ** 2 + (scale_y * cos) ** 2)
        angle = torch.atan2(scale_x * sin, scale_y * cos) * (180 / math.pi)
        self.tensor = torch.stack([cx * scale_x, cy * scale_y, width, height, angle], dim=1)

    @classmethod
    def cat(cls, boxes_list: list["RotatedBoxes"]) -> "RotatedBoxes":  # type: ignore[override]
        """Join lists of rotated boxes into one; of no lists, zero boxes.

        Raises:
            TypeError: when an entry is no `RotatedBoxes`.
        """
        for position, boxes in enumerate(boxes_list):
            if not isinstance(boxes, RotatedBoxes):
                kind = type(boxes).__name__
                raise TypeError(f"{cls.__name__}.cat: entry {position} must be RotatedBoxes, got {kind}")
        if len(boxes_list) == 0:
            return cls(torch.empty(0))
        return cls(torch.cat([boxes.tensor for boxes in boxes_list], dim=0))

    def __iter__(self) -> Rows:
        """Yield one box at a time, shape (5,)."""
        yield from self.tensor


register_tensor_holder(RotatedBoxes)
