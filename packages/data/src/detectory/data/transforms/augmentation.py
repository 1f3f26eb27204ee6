"""Augmentations, which choose a transform for an input, and lists of augmentations."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from .transform import Transform, TransformList, described, is_transform


class Augmentation:
    """Base class of augmentations: chooses the transform for an input.

    A subclass defines `get_transform(image)`; its parameters are names of attributes of the input, for example
    `get_transform(self, image, sem_seg)`. By convention `image` is `(H, W)` or `(H, W, C)`, uint8 or floating
    point; `boxes` is `(N, 4)` float32 in `(x1, y1, x2, y2)`; `sem_seg` is `(H, W)` integer. Draw random
    numbers from `numpy.random` or `random`: the data loader seeds both for every sample.
    """

    input_args: tuple[str, ...] | None = None

    def _init(self, params: dict[str, Any] | None = None) -> None:
        """Store the `locals()` of a constructor as attributes."""
        for name, value in (params or {}).items():
            if name != "self" and not name.startswith("_"):
                setattr(self, name, value)

    def _rand_range(self, low: float = 1.0, high: float | None = None, size: int | None = None) -> Any:
        """Draw uniformly from `[low, high)`, or from `[0, low)` with a single bound."""
        return np.random.uniform(0.0, low, size) if high is None else np.random.uniform(low, high, size)

    def get_transform(self, *args: Any) -> Transform:
        """Return the transform for an input."""
        raise TypeError(f"{type(self).__name__} must define get_transform")

    def _argument_names(self) -> tuple[str, ...]:
        if self.input_args is not None:
            return tuple(self.input_args)
        names = []
        for parameter in inspect.signature(self.get_transform).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
                raise TypeError(
                    f"{type(self).__name__}.get_transform: every parameter must name an attribute of the input, "
                    f"got {parameter}"
                )
            names.append(parameter.name)
        return tuple(names)

    def _names_for(self, aug_input: "AugInput") -> tuple[str, ...]:
        """Return the attributes to pass; a single parameter with another name, such as `img`, is the image."""
        names = self._argument_names()
        return ("image",) if len(names) == 1 and not hasattr(aug_input, names[0]) else names

    def __call__(self, aug_input: "AugInput") -> Transform:
        """Augment an input in place.

        Args:
            aug_input: An object with the attributes that `get_transform` names and a `transform` method.

        Returns:
            The transform that was applied, for further annotations of the image.
        """
        arguments = []
        if "_names" not in self.__dict__:
            # Inspecting a signature takes as long as flipping an image.
            self._names = self._names_for(aug_input)
        for name in self._names:
            if not hasattr(aug_input, name):
                raise AttributeError(
                    f"{type(self).__name__}.get_transform needs {name!r}, but "
                    f"{type(aug_input).__name__} does not have this attribute"
                )
            arguments.append(getattr(aug_input, name))
        transform = self.get_transform(*arguments)
        if not is_transform(transform):
            raise TypeError(
                f"{type(self).__name__}.get_transform must return a Transform, got {type(transform).__name__}"
            )
        aug_input.transform(transform)
        return transform

    def __repr__(self) -> str:
        return described(self, type(self).__name__)

    __str__ = __repr__


class _FixedTransform(Augmentation):
    """An augmentation that always applies the same transform."""

    def __init__(self, transform: Transform) -> None:
        self.fixed = transform

    def get_transform(self) -> Transform:
        """Return the transform."""
        return self.fixed

    def __repr__(self) -> str:
        return repr(self.fixed)


class _FunctionAugmentation(Augmentation):
    """A function from an image to a transform."""

    def __init__(self, function: Callable[[np.ndarray], Transform]) -> None:
        self.function = function

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the transform that the function makes for an image."""
        return self.function(image)


def as_augmentation(item: Augmentation | Transform) -> Augmentation:
    """Return an augmentation unchanged, or wrap a transform in an augmentation that always applies it."""
    if is_transform(item):
        return _FixedTransform(cast("Transform", item))
    if not isinstance(item, Augmentation) and callable(item) and not isinstance(item, type):
        return _FunctionAugmentation(item)
    if not isinstance(item, Augmentation):
        raise TypeError(f"expected an Augmentation or a Transform, got {type(item).__name__}")
    return item


class AugmentationList(Augmentation):
    """Apply augmentations in sequence, each to the result of the previous one.

    `get_transform` is not available, because each transform depends on the result of the previous augmentations.

    Args:
        augs: Augmentations or transforms.
    """

    def __init__(self, augs: Sequence[Augmentation | Transform]) -> None:
        self.augs = [as_augmentation(item) for item in augs]

    def __call__(self, aug_input: "AugInput") -> TransformList:
        """Augment an input in place and return the transforms in order."""
        return TransformList([augmentation(aug_input) for augmentation in self.augs])

    def get_transform(self, *args: Any) -> Transform:
        """Raise TypeError: call the list with an input instead."""
        raise TypeError("AugmentationList.get_transform: not available; call the list with an AugInput")

    def __repr__(self) -> str:
        return f"AugmentationList[{', '.join(map(repr, self.augs))}]"

    __str__ = __repr__


class AugInput:
    """The input of augmentations: an image, optionally with boxes and a segmentation.

    Args:
        image: `(H, W)` or `(H, W, C)`, uint8 in [0, 255] or floating point.
        boxes: `(N, 4)` float32 in `(x1, y1, x2, y2)`, or None.
        sem_seg: `(H, W)` integer labels, or None.

    Example:
        >>> from detectory.data import transforms as T
        >>> image = np.zeros((4, 8, 3), np.uint8)
        >>> aug_input = T.AugInput(image, boxes=np.array([[0, 0, 2, 2]], np.float32))
        >>> applied = T.AugmentationList([T.Resize((8, 16)), T.RandomFlip(prob=1.0)])(aug_input)
        >>> aug_input.boxes.tolist()
        [[12.0, 0.0, 16.0, 4.0]]
    """

    def __init__(
        self, image: np.ndarray, *, boxes: np.ndarray | None = None, sem_seg: np.ndarray | None = None
    ) -> None:
        if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
            got = f"shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise TypeError(f"AugInput: image must be an (H, W) or (H, W, C) array, got {got}")
        self.image = image
        self.boxes = boxes
        self.sem_seg = sem_seg

    def transform(self, tfm: Transform) -> None:
        """Apply a transform to all attributes, in place."""
        self.image = tfm.apply_image(self.image)
        if self.boxes is not None:
            self.boxes = tfm.apply_box(self.boxes)
        if self.sem_seg is not None:
            self.sem_seg = tfm.apply_segmentation(self.sem_seg)

    def apply_augmentations(self, augmentations: Sequence[Augmentation | Transform]) -> TransformList:
        """Apply augmentations in order, in place, and return their transforms."""
        return AugmentationList(augmentations)(self)


def apply_augmentations(
    augmentations: Sequence[Augmentation | Transform], inputs: AugInput | np.ndarray
) -> tuple[Any, TransformList]:
    """Apply augmentations to an input or an image.

    Args:
        augmentations: Augmentations or transforms, applied in order.
        inputs: An input, changed in place, or an image.

    Returns:
        The augmented input, or the new image if `inputs` is an image, and the transforms.
    """
    if isinstance(inputs, np.ndarray):
        aug_input = AugInput(inputs)
        transforms = aug_input.apply_augmentations(augmentations)
        return aug_input.image, transforms
    return inputs, inputs.apply_augmentations(augmentations)
