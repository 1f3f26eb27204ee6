"""Rotated boxes of one image."""

import math

import torch

from ._annotations import Device, Index
from ._pytree import register_tensor_holder
from .boxes import Boxes, float_rows


class RotatedBoxes(Boxes):
    """N boxes `(x_center, y_center, width, height, angle)` in pixels and degrees.

    Any angle is valid; the principal range is [-180, 180). A positive angle turns the box counter-clockwise on the
    screen (x points right, y points down): a corner at the offset `(dx, dy)` from the centre of the unrotated box moves
    to the offset `(cos a dx + sin a dy, cos a dy - sin a dx)`. Boxes whose angles differ by 180 degrees cover the same
    region but are not equal, because the features pooled from them are rotated by 180 degrees.

    TorchScript compiles a class without the methods of its base, so that these are defined again.

    Args:
        tensor: Shape (N, 5), a tensor, an array or nested lists; converted to float32. Empty input of any shape becomes
            shape (0, 5).

    Attributes:
        tensor: Float32, shape (N, 5).

    Raises:
        ValueError: If the shape is invalid.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = float_rows("RotatedBoxes", tensor, 5)

    def _with_tensor(self, tensor: torch.Tensor) -> "RotatedBoxes":
        if not torch.jit.is_scripting():
            return type(self)(tensor)
        return RotatedBoxes(tensor)

    def clone(self) -> "RotatedBoxes":
        """Return a copy with its own tensor."""
        return self._with_tensor(self.tensor.clone())

    def to(self, device: Device) -> "RotatedBoxes":
        """Return the boxes on another device."""
        return self._with_tensor(self.tensor.to(device=device))

    def __getitem__(self, item: Index) -> "RotatedBoxes":
        """Select boxes, as `Boxes` does."""
        if isinstance(item, int):
            return self._with_tensor(self.tensor[item].reshape(1, -1))
        rows = self.tensor[item]
        if rows.dim() != 2:
            raise IndexError(f"RotatedBoxes: index must select whole boxes, got a result of shape {list(rows.shape)}")
        return self._with_tensor(rows)

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def area(self) -> torch.Tensor:
        """Return the areas in square pixels, shape (N,)."""
        return self.tensor[:, 2] * self.tensor[:, 3]

    def normalize_angles(self) -> None:
        """Map the angles to [-180, 180), modifying the tensor itself."""
        self.tensor[:, 4] = (self.tensor[:, 4] + 180.0) % 360.0 - 180.0

    def clip(self, box_size: tuple[int, int], clip_angle_threshold: float = 1.0) -> None:
        """Normalise the angles and clip nearly horizontal boxes to the image, modifying the tensor itself.

        Boxes at larger angles are not clipped, because the result would not be a unique rectangle; `roi_align_rotated`
        reads zeros outside the image.

        Args:
            box_size: `(height, width)` of the image.
            clip_angle_threshold: Largest absolute angle of a box to clip, in degrees.
        """
        self.normalize_angles()
        image_h, image_w = box_size[0], box_size[1]
        cx, cy, w, h, angle = self.tensor.unbind(dim=1)
        x1, x2 = (cx - w / 2).clamp(min=0, max=image_w), (cx + w / 2).clamp(min=0, max=image_w)
        y1, y2 = (cy - h / 2).clamp(min=0, max=image_h), (cy + h / 2).clamp(min=0, max=image_h)
        # Rounding in x2 - x1 could make a box larger than it was, hence the minimum.
        clipped = [(x1 + x2) / 2, (y1 + y2) / 2, torch.minimum(w, x2 - x1), torch.minimum(h, y2 - y1), angle]
        horizontal = (angle.abs() <= clip_angle_threshold).unsqueeze(1)
        self.tensor.copy_(torch.where(horizontal, torch.stack(clipped, dim=1), self.tensor))

    def nonempty(self, threshold: float = 0.0) -> torch.Tensor:
        """Return whether both sides of each box are longer than `threshold` pixels, bool of shape (N,)."""
        return (self.tensor[:, 2] > threshold) & (self.tensor[:, 3] > threshold)

    def inside_box(self, box_size: tuple[int, int], boundary_threshold: int = 0) -> torch.Tensor:
        """Return whether the axis-aligned bounding box of each box is inside the image, bool of shape (N,).

        Args:
            box_size: `(height, width)` of the image.
            boundary_threshold: How far a box may extend beyond the image, in pixels; exclusive at the right and bottom.
        """
        cx, cy, w, h, angle = self.tensor.unbind(dim=1)
        cos, sin = torch.cos(angle * (math.pi / 180)).abs(), torch.sin(angle * (math.pi / 180)).abs()
        half_w, half_h = (cos * w + sin * h) / 2, (cos * h + sin * w) / 2
        bounds = torch.stack([cx - half_w, cy - half_h, cx + half_w, cy + half_h], dim=1)
        return Boxes(bounds).inside_box(box_size, boundary_threshold)

    def get_centers(self) -> torch.Tensor:
        """Return the centres `(x, y)`, shape (N, 2)."""
        return self.tensor[:, :2]

    def scale(self, scale_x: float, scale_y: float) -> None:
        """Scale the boxes together with the image, in place.

        If the factors differ, a rotated rectangle becomes a parallelogram. It is approximated by the rectangle with the
        scaled lengths of the two sides and with the angle of the scaled height side.
        """
        cx, cy, w, h, angle = self.tensor.unbind(dim=1)
        cos, sin = torch.cos(angle * (math.pi / 180)), torch.sin(angle * (math.pi / 180))
        width = w * torch.sqrt((scale_x * cos) ** 2 + (scale_y * sin) ** 2)
        height = h * torch.sqrt((scale_x * sin) ** 2 + (scale_y * cos) ** 2)
        angle = torch.atan2(scale_x * sin, scale_y * cos) * (180 / math.pi)
        self.tensor = torch.stack([cx * scale_x, cy * scale_y, width, height, angle], dim=1)

    @classmethod
    def cat(cls, boxes_list: list["RotatedBoxes"]) -> "RotatedBoxes":  # type: ignore[override]
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


register_tensor_holder(RotatedBoxes)
