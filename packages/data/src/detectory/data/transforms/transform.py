"""Base class of transforms, and sequences of transforms."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np


def as_float_coords(coords: Any) -> np.ndarray:
    """Return a copy of coordinates as a floating-point array; float32 is kept."""
    array = np.array(coords)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def described(obj: object, owner: str) -> str:
    """Return `Name(argument=value, …)` with the constructor arguments that are also attributes."""
    parts = []
    for name, parameter in inspect.signature(type(obj).__init__).parameters.items():
        if name == "self" or not hasattr(obj, name):
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = getattr(obj, name)
        if value is parameter.default:
            continue
        text = repr(value)
        parts.append(f"{name}={text if len(text) <= 60 and chr(10) not in text else f'<{type(value).__name__}>'}")
    return f"{owner}({', '.join(parts)})"


class Transform:
    """A deterministic transform of an image and its annotations.

    Each method `apply_<type>` transforms one data type. Coordinates are continuous: points of an image of `H x W`
    pixels are in `[0, W] x [0, H]`. Subclasses define `apply_image` and `apply_coords`; boxes, polygons and
    segmentations are derived from these by default. Random choices are made by
    `detectory.data.transforms.Augmentation`, which creates transforms.
    """

    def _set_attributes(self, params: dict[str, Any] | None = None) -> None:
        """Store the `locals()` of a constructor as attributes."""
        for name, value in (params or {}).items():
            if name != "self" and not name.startswith("_"):
                setattr(self, name, value)

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Transform an image.

        Args:
            img: `(H, W)`, `(H, W, C)` or `(N, H, W, C)`, uint8 in [0, 255] or floating point.

        Returns:
            The new image with the same dtype; it may be a view of `img`.
        """
        raise TypeError(f"{type(self).__name__} must define apply_image")

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Transform `(N, 2)` points `(x, y)` in absolute continuous coordinates, also outside the image."""
        raise TypeError(f"{type(self).__name__} must define apply_coords")

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Transform an `(H, W)` map of integers or booleans; labels are never blended."""
        return self.apply_image(segmentation)

    def apply_box(self, box: np.ndarray) -> np.ndarray:
        """Transform `(N, 4)` boxes `(x1, y1, x2, y2)` to the axis-aligned boxes around their transformed corners.

        Boxes are not clipped to the image.
        """
        corners = as_float_coords(box).reshape(-1, 4)[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2)
        moved = np.asarray(self.apply_coords(corners)).reshape(-1, 4, 2)
        return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)

    def apply_polygons(self, polygons: list[np.ndarray]) -> list[np.ndarray]:
        """Transform a list of polygons, each `(N, 2)`; transforms that crop may change the number of polygons."""
        if len(polygons) == 0:
            return []
        moved = self.apply_coords(np.concatenate([np.asarray(polygon).reshape(-1, 2) for polygon in polygons]))
        return np.split(moved, np.cumsum([len(polygon) for polygon in polygons[:-1]]))

    def inverse(self) -> "Transform":
        """Return the inverse of the coordinate transform; photometric changes are not inverted.

        Raises:
            TypeError: If the transform has no inverse.
        """
        raise TypeError(f"{type(self).__name__}.inverse: this transform has no inverse")

    @classmethod
    def register_type(cls, data_type: str, func: Callable[[Any, Any], Any] | None = None) -> Any:
        """Add a data type to this transform and its subclasses.

        Args:
            data_type: Suffix of the new method `apply_<data_type>`.
            func: Function of the transform and the data that returns the new data. By default, a decorator is returned.

        Example:
            >>> from detectory.data.transforms import HFlipTransform
            >>> @HFlipTransform.register_type("width_fraction")
            ... def flip_fraction(transform, fraction):
            ...     return 1 - fraction
            >>> HFlipTransform(width=8).apply_width_fraction(0.25)
            0.75
        """
        if func is None:

            def register(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
                cls.register_type(data_type, function)
                return function

            return register
        parameters = inspect.signature(func).parameters
        if len(parameters) != 2:
            raise TypeError(
                f"{cls.__name__}.register_type: func must take (transform, data), got {len(parameters)} parameters"
            )
        setattr(cls, f"apply_{data_type}", func)
        return None

    def __repr__(self) -> str:
        return described(self, type(self).__name__)


class NoOpTransform(Transform):
    """The identity."""

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Return the image itself."""
        return img

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Return the coordinates themselves."""
        return coords

    def apply_rotated_box(self, x: np.ndarray) -> np.ndarray:
        """Return the rotated boxes themselves."""
        return x

    def inverse(self) -> Transform:
        """Return the transform itself."""
        return self

    def __getattr__(self, name: str) -> Any:
        """Return data of unregistered types unchanged."""
        if name.startswith("apply_"):
            return lambda data: data
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


def is_transform(item: Any) -> bool:
    """Return whether an object has the methods of a `Transform`, such as the transforms of fvcore."""
    return isinstance(item, Transform) or (
        not isinstance(item, type) and hasattr(item, "apply_image") and hasattr(item, "apply_coords")
    )


class TransformList(Transform):
    """A sequence of transforms; nested lists are flattened.

    The list has every method `apply_<type>` that all its members have.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms: list[Transform] = []
        for transform in transforms:
            if not is_transform(transform):
                raise TypeError(f"TransformList: expected Transform objects, got {type(transform).__name__}")
            self.transforms.extend(transform.transforms if isinstance(transform, TransformList) else [transform])

    def _apply(self, data: Any, method: str) -> Any:
        for transform in self.transforms:
            data = getattr(transform, method)(data)
        return data

    def __getattribute__(self, name: str) -> Any:
        """Return a method `apply_*` that applies the members in order."""
        if name.startswith("apply_"):
            return lambda data: self._apply(data, name)
        return super().__getattribute__(name)

    def __add__(self, other: Transform) -> "TransformList":
        """Return this list followed by `other`."""
        return TransformList([*self.transforms, other])

    def __radd__(self, other: Transform) -> "TransformList":
        """Return `other` followed by this list."""
        return TransformList([other, *self.transforms])

    def __iadd__(self, other: Transform) -> "TransformList":
        """Append `other`, flattened if it is a list."""
        self.transforms.extend(TransformList([other]).transforms)
        return self

    def __len__(self) -> int:
        """Return the number of transforms."""
        return len(self.transforms)

    def __getitem__(self, index: int) -> Transform:
        """Return one transform."""
        return self.transforms[index]

    def __iter__(self) -> Iterator[Transform]:
        """Iterate over the transforms in order."""
        return iter(self.transforms)

    def inverse(self) -> "TransformList":
        """Return the inverses in reverse order."""
        return TransformList([transform.inverse() for transform in reversed(self.transforms)])

    def __repr__(self) -> str:
        return f"TransformList({self.transforms!r})"
