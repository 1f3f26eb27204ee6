"""Box formats and conversions between them."""

import math
import sys
from enum import IntEnum, unique
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

BoxLike = TypeVar("BoxLike", list, tuple, np.ndarray, "torch.Tensor")


@unique
class BoxMode(IntEnum):
    """The format of a box. The integer values are part of saved annotations and must not change."""

    XYXY_ABS = 0
    """`(x1, y1, x2, y2)` in pixels."""
    XYWH_ABS = 1
    """`(x1, y1, width, height)` in pixels."""
    XYXY_REL = 2
    """`(x1, y1, x2, y2)` as fractions of the width and height of the image."""
    XYWH_REL = 3
    """`(x1, y1, width, height)` as fractions of the width and height of the image."""
    XYWHA_ABS = 4
    """`(x_center, y_center, width, height, angle)` in pixels and degrees, counter-clockwise."""

    @staticmethod
    def convert(
        box: BoxLike,
        from_mode: "BoxMode | int",
        to_mode: "BoxMode | int",
        image_size: tuple[int, int] | None = None,
    ) -> BoxLike:
        """Convert boxes to another format.

        A rotated box becomes its axis-aligned bounding box. Integers stay integers if the conversion permits.

        Args:
            box: A list or tuple of 4 numbers (5 if rotated), or an array or tensor of shape (..., 4) or (..., 5).
            from_mode: The format of `box`.
            to_mode: The format of the result.
            image_size: `(height, width)`; required only between absolute and relative formats.

        Returns:
            The boxes in the format `to_mode`, of the same type as `box`; `box` itself if the formats are equal.

        Raises:
            ValueError: If the number of columns does not match `from_mode`, or `image_size` is required and missing.
            TypeError: If the type of `box` is not supported.

        Example:
            >>> BoxMode.convert([10, 20, 30, 40], BoxMode.XYWH_ABS, BoxMode.XYXY_ABS)
            [10, 20, 40, 60]
        """
        from_mode, to_mode = BoxMode(from_mode), BoxMode(to_mode)
        if from_mode == to_mode:
            return box
        if isinstance(box, list | tuple):
            rows: Any = np.asarray(box)
        elif isinstance(box, np.ndarray) or _is_tensor(box):
            rows = box
        else:
            raise TypeError(f"BoxMode.convert: box must be a list, tuple, array or tensor, got {type(box).__name__}")
        _check_columns(rows, from_mode, is_sequence=isinstance(box, list | tuple))
        converted = _from_xyxy(_to_xyxy(rows, from_mode, to_mode, image_size), to_mode)
        return type(box)(converted.tolist()) if isinstance(box, list | tuple) else converted


def _check_columns(rows: Any, mode: BoxMode, *, is_sequence: bool) -> None:
    expected = 5 if mode == BoxMode.XYWHA_ABS else 4
    if rows.ndim == 0 or rows.shape[-1] != expected or (is_sequence and rows.ndim != 1):
        shape = f"{expected} numbers" if is_sequence else f"shape (..., {expected})"
        raise ValueError(f"BoxMode.convert: box of mode {mode.name} must have {shape}, got shape {tuple(rows.shape)}")


def _columns(rows: Any) -> list[Any]:
    return [rows[..., i] for i in range(rows.shape[-1])]


def _is_tensor(value: object) -> bool:
    # A program without tensors has not imported torch, and this module does not import it either.
    return "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor)


def _stack(columns: list[Any]) -> Any:
    return sys.modules["torch"].stack(columns, dim=-1) if _is_tensor(columns[0]) else np.stack(columns, axis=-1)


def _to_xyxy(rows: Any, mode: BoxMode, to_mode: BoxMode, image_size: tuple[int, int] | None) -> list[Any]:
    """Return the corners of the boxes as four columns: fractions if `to_mode` is relative, otherwise pixels."""
    if mode == BoxMode.XYWHA_ABS:
        cx, cy, w, h, angle = _columns(rows)
        xp: Any = sys.modules["torch"] if _is_tensor(rows) else np
        cos, sin = abs(xp.cos(angle * (math.pi / 180))), abs(xp.sin(angle * (math.pi / 180)))
        half_w, half_h = (cos * w + sin * h) / 2, (cos * h + sin * w) / 2
        columns = [cx - half_w, cy - half_h, cx + half_w, cy + half_h]
    elif mode in (BoxMode.XYWH_ABS, BoxMode.XYWH_REL):
        x, y, w, h = _columns(rows)
        columns = [x, y, x + w, y + h]
    else:
        columns = _columns(rows)
    relative = (BoxMode.XYXY_REL, BoxMode.XYWH_REL)
    if (mode in relative) == (to_mode in relative):
        return columns
    if image_size is None:
        raise ValueError(f"BoxMode.convert: {mode.name} to {to_mode.name} needs image_size=(height, width), got None")
    height, width = image_size
    sizes = (width, height, width, height)
    if mode in relative:
        return [column * size for column, size in zip(columns, sizes, strict=True)]
    return [column / size for column, size in zip(columns, sizes, strict=True)]


def _from_xyxy(corners: list[Any], mode: BoxMode) -> Any:
    x1, y1, x2, y2 = corners
    if mode in (BoxMode.XYXY_ABS, BoxMode.XYXY_REL):
        return _stack(corners)
    if mode == BoxMode.XYWHA_ABS:
        cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
        # Adding 0 * cx converts integer columns to the floating-point type of the centres.
        return _stack([cx, cy, (x2 - x1) + 0 * cx, (y2 - y1) + 0 * cx, 0 * cx])
    return _stack([x1, y1, x2 - x1, y2 - y1])
