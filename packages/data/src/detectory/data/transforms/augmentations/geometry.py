"""Augmentations that flip, rotate, or apply another augmentation with a probability."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectory.data.transforms.affine import RotationTransform
from detectory.data.transforms.augmentation import AugInput, Augmentation, as_augmentation
from detectory.data.transforms.flips import HFlipTransform, VFlipTransform
from detectory.data.transforms.transform import NoOpTransform, Transform


class RandomFlip(Augmentation):
    """Flip the image with a probability.

    Args:
        prob: Probability in [0, 1].
        horizontal: Flip horizontally.
        vertical: Flip vertically; exactly one of the two must be true.
    """

    def __init__(self, prob: float = 0.5, *, horizontal: bool = True, vertical: bool = False) -> None:
        if horizontal == vertical:
            raise ValueError(
                f"RandomFlip: exactly one of horizontal and vertical must be true, got {horizontal} and {vertical}; "
                "use two RandomFlip for both"
            )
        self.prob, self.horizontal, self.vertical = prob, horizontal, vertical

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a flip or no change."""
        h, w = image.shape[:2]
        if self._rand_range() >= self.prob:
            return NoOpTransform()
        return HFlipTransform(w) if self.horizontal else VFlipTransform(h)


class RandomRotation(Augmentation):
    """Rotate the image counter-clockwise by a random angle.

    Args:
        angle: `[min, max]` degrees for `"range"`, a list of angles for `"choice"`, or one number.
        expand: Enlarge the result to contain the whole image.
        center: Relative to the image, (0, 0) top left and (1, 1) bottom right: `[[min_x, min_y], [max_x, max_y]]`
            for `"range"`, a list of centers for `"choice"`; by default the center of the image. Ignored with `expand`.
        sample_style: `"range"` or `"choice"`.
        interp: See `RotationTransform`.
    """

    def __init__(
        self,
        angle: float | Sequence[float],
        expand: bool = True,
        center: Sequence[Sequence[float]] | None = None,
        sample_style: str = "range",
        interp: int | str | None = None,
    ) -> None:
        if sample_style not in ("range", "choice"):
            raise ValueError(f"RandomRotation: sample_style must be 'range' or 'choice', got {sample_style!r}")
        self.is_range = sample_style == "range"
        self.angle = (angle, angle) if isinstance(angle, (int, float)) else angle
        # A single center is an empty range.
        is_one = center is not None and isinstance(center[0], (int, float))
        self.center: Any = (center, center) if is_one else center
        self.expand, self.sample_style, self.interp = expand, sample_style, interp

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a random rotation."""
        h, w = image.shape[:2]
        center: Any = None
        if self.is_range:
            angle = np.random.uniform(self.angle[0], self.angle[1])
            if self.center is not None:
                low, high = self.center
                center = np.random.uniform(low[0], high[0]), np.random.uniform(low[1], high[1])
        else:
            angle = float(np.random.choice(self.angle))
            if self.center is not None:
                center = self.center[np.random.randint(len(self.center))]
        if center is not None:
            center = (w * center[0], h * center[1])
        if angle % 360 == 0:
            return NoOpTransform()
        return RotationTransform(h, w, angle, expand=self.expand, center=center, interp=self.interp)


class RandomApply(Augmentation):
    """Apply an augmentation or a transform with a probability.

    Args:
        tfm_or_aug: The augmentation or transform.
        prob: Probability in [0, 1].
    """

    def __init__(self, tfm_or_aug: Augmentation | Transform, prob: float = 0.5) -> None:
        if not 0.0 <= prob <= 1.0:
            raise ValueError(f"RandomApply: prob must be in [0, 1], got {prob}")
        self.tfm_or_aug, self.prob = tfm_or_aug, prob
        self.aug = as_augmentation(tfm_or_aug)

    def get_transform(self, *args: Any) -> Transform:
        """Return the transform of the augmentation, or no change."""
        if self._rand_range() >= self.prob:
            return NoOpTransform()
        return self.tfm_or_aug if isinstance(self.tfm_or_aug, Transform) else self.aug.get_transform(*args)

    def __call__(self, aug_input: AugInput) -> Transform:
        """Augment the input in place, or leave it unchanged."""
        return self.aug(aug_input) if self._rand_range() < self.prob else NoOpTransform()
