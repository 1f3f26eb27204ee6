"""The contract of a deterministic transform, and sequences of transforms."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np


def as_float_coords(coords: Any) -> np.ndarray:
    """Copy coordinates into a floating point array; float32 stays float32."""
    array = np.array(coords)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def described(obj: object, owner: str) -> str:
    """Write `Name(argument=value, …)` from the constructor's arguments that are also attributes."""
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
    """A deterministic change of an image and of everything that lies on it.

    Methods named `apply_<type>` take one data type each. Coordinates are continuous: a point of an image of
    `H x W` pixels lies in `[0, W] x [0, H]`. A subclass gives `apply_image` and `apply_coords`; boxes,
    polygons and segmentations follow from these unless it knows better. Randomness belongs to
    `detectory.data.transforms.Augmentation`, which makes transforms.
    """

    def _set_attributes(self, params: dict[str, Any] | None = None) -> None:
        """Keep a constructor's `locals()` as attributes."""
        for name, value in (params or {}).items():
            if name != "self" and not name.startswith("_"):
                setattr(self, name, value)

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Transform an image.

        Args:
            img: `(H, W)`, `(H, W, C)` or `(N, H, W, C)`, uint8 in [0, 255] or floating point.

        Returns:
            The new image, of the same dtype; it may be a view of `img`.
        """
        raise TypeError(f"{type(self).__name__} must define apply_image")

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Transform `(N, 2)` points `(x, y)` in absolute continuous coordinates, those outside the image too."""
        raise TypeError(f"{type(self).__name__} must define apply_coords")

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Transform an `(H, W)` map of integers or booleans; labels are never blended."""
        return self.apply_image(segmentation)

    def apply_box(self, box: np.ndarray) -> np.ndarray:
        """Transform `(N, 4)` boxes `(x1, y1, x2, y2)` into the axis-aligned boxes around their moved corners.

        Nothing is clipped to the image.
        """
        corners = as_float_coords(box).reshape(-1, 4)[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2)
        moved = np.asarray(self.apply_coords(corners)).reshape(-1, 4, 2)
        return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)

    def apply_polygons(self, polygons: list[np.ndarray]) -> list[np.ndarray]:
        """Transform a list of polygons, each `(N, 2)`; a transform that cuts may change their number."""
        if not polygons:
            return []
        moved = self.apply_coords(np.concatenate([np.asarray(polygon).reshape(-1, 2) for polygon in polygons]))
        return np.split(moved, np.cumsum([len(polygon) for polygon in polygons[:-1]]))

    def inverse(self) -> "Transform":
        """Make the transform that undoes the change of coordinates; photometric changes are not undone.

        Raises:
            TypeError: This kind of transform cannot be undone.
        """
        raise TypeError(f"{type(self).__name__}.inverse: this transform has no inverse")

    @classmethod
    def register_type(cls, data_type: str, func: Callable[[Any, Any], Any] | None = None) -> Any:
        """Teach this transform, and its subclasses, a new data type.

        Args:
            data_type: The new method is called `apply_<data_type>`.
            func: Takes the transform and the data, returns the new data. Without it a decorator is returned.

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
    """Change nothing."""

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
        """Leave data types that nobody registered as they are, too."""
        if name.startswith("apply_"):
            return lambda data: data
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


class TransformList(Transform):
    """Transforms applied one after the other; lists inside the list are flattened.

    Any `apply_<type>` that every member knows works on the list.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms: list[Transform] = []
        for transform in transforms:
            if not isinstance(transform, Transform):
                raise TypeError(f"TransformList: expected Transform objects, got {type(transform).__name__}")
            self.transforms.extend(transform.transforms if isinstance(transform, TransformList) else [transform])

    def _apply(self, data: Any, method: str) -> Any:
        for transform in self.transforms:
            data = getattr(transform, method)(data)
        return data

    def __getattribute__(self, name: str) -> Any:
        """Send every `apply_*` through the members."""
        if name.startswith("apply_"):
            return lambda data: self._apply(data, name)
        return super().__getattribute__(name)

    def __add__(self, other: Transform) -> "TransformList":
        """Apply `other` after this list."""
        return TransformList([*self.transforms, other])

    def __radd__(self, other: Transform) -> "TransformList":
        """Apply `other` before this list."""
        return TransformList([other, *self.transforms])

    def __iadd__(self, other: Transform) -> "TransformList":
        """Append `other`, flattened when it is a list."""
        self.transforms.extend(TransformList([other]).transforms)
        return self

    def __len__(self) -> int:
        """Count the transforms."""
        return len(self.transforms)

    def __getitem__(self, index: int) -> Transform:
        """Return one transform."""
        return self.transforms[index]

    def __iter__(self) -> Iterator[Transform]:
        """Go through the transforms in order."""
        return iter(self.transforms)

    def inverse(self) -> "TransformList":
        """Undo every transform, the last one first."""
        return TransformList([transform.inverse() for transform in reversed(self.transforms)])

    def __repr__(self) -> str:
        return f"TransformList({self.transforms!r})"
