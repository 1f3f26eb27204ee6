"""Augmentations that crop images."""

import numpy as np

from detectory.data.transforms.augmentation import Augmentation, AugmentationList
from detectory.data.transforms.crops import CropTransform, PadTransform
from detectory.data.transforms.resize import ExtentTransform
from detectory.data.transforms.transform import NoOpTransform, Transform, TransformList

from .resize import ResizeScale

CROP_TYPES = ("relative_range", "relative", "absolute", "absolute_range")


class FixedSizeCrop(Augmentation):
    """Crop a random window of fixed size; smaller images are padded on the right and at the bottom.

    Args:
        crop_size: `(height, width)` of the result.
        pad: Whether to pad smaller images; otherwise the result may be smaller.
        pad_value: Value of padded pixels.
        seg_pad_value: Value of padded pixels of segmentations.
    """

    def __init__(
        self, crop_size: tuple[int, int], pad: bool = True, pad_value: float = 128.0, seg_pad_value: int = 255
    ) -> None:
        self.crop_size, self.pad = crop_size, pad
        self.pad_value, self.seg_pad_value = pad_value, seg_pad_value

    def get_transform(self, image: np.ndarray) -> TransformList:
        """Return a random crop."""
        h, w = image.shape[:2]
        out_h, out_w = self.crop_size
        y, x = (int(np.round(max(side - out, 0) * np.random.uniform())) for side, out in ((h, out_h), (w, out_w)))
        transforms: list[Transform] = [CropTransform(x, y, out_w, out_h, w, h)]
        if self.pad:
            kept_h, kept_w = min(h, out_h), min(w, out_w)
            transforms.append(
                PadTransform(0, 0, out_w - kept_w, out_h - kept_h, kept_w, kept_h, self.pad_value, self.seg_pad_value)
            )
        return TransformList(transforms)


class LargeScaleJitter(AugmentationList):
    """Scale an image randomly and crop or pad it to a fixed size.

    Args:
        image_size: `(height, width)` of the result.
        min_scale: Smallest scale, relative to the scale at which the image fits.
        max_scale: Largest scale.
        pad_value: Value of padded pixels.

    Source: G. Ghiasi et al.: Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation, 2021.
    """

    def __init__(
        self, image_size: tuple[int, int], min_scale: float = 0.1, max_scale: float = 2.0, pad_value: float = 128.0
    ) -> None:
        super().__init__(
            [ResizeScale(min_scale, max_scale, *image_size), FixedSizeCrop(image_size, pad_value=pad_value)]
        )


class RandomCrop(Augmentation):
    """Crop a random window.

    Args:
        crop_type: Meaning of `crop_size`. `"relative"`: fractions of height and width, in (0, 1].
            `"relative_range"`: both fractions are drawn from `[crop_size[i], 1]`. `"absolute"`: pixels, at most
            the image's size. `"absolute_range"`: height and width are drawn from
            `[crop_size[0], crop_size[1]]` pixels, at most the image's size.
        crop_size: Two numbers, height first.
    """

    def __init__(self, crop_type: str, crop_size: tuple[float, float]) -> None:
        if crop_type not in CROP_TYPES:
            raise ValueError(f"RandomCrop: crop_type must be one of {', '.join(CROP_TYPES)}, got {crop_type!r}")
        if crop_type == "absolute_range" and crop_size[0] > crop_size[1]:
            raise ValueError(f"RandomCrop: crop_size must be (smallest, largest), got {tuple(crop_size)}")
        self.crop_type, self.crop_size = crop_type, crop_size

    def get_crop_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return a random `(height, width)` of the window in pixels for an image of `(height, width)`."""
        h, w = image_size
        if self.crop_type == "absolute":
            return min(int(self.crop_size[0]), h), min(int(self.crop_size[1]), w)
        if self.crop_type == "absolute_range":
            low, high = map(int, self.crop_size)
            crop_h = np.random.randint(min(h, low), min(h, high) + 1)
            return crop_h, np.random.randint(min(w, low), min(w, high) + 1)
        if not all(0 < fraction <= 1 for fraction in self.crop_size):
            raise ValueError(f"RandomCrop: relative crop_size must be in (0, 1], got {tuple(self.crop_size)}")
        fraction = np.asarray(self.crop_size, dtype=np.float64)
        if self.crop_type == "relative_range":
            fraction = fraction + np.random.rand(2) * (1 - fraction)
        return max(int(h * fraction[0] + 0.5), 1), max(int(w * fraction[1] + 0.5), 1)

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a random crop."""
        h, w = image.shape[:2]
        crop_h, crop_w = self.get_crop_size((h, w))
        y, x = np.random.randint(h - crop_h + 1), np.random.randint(w - crop_w + 1)
        return CropTransform(x, y, crop_w, crop_h, w, h)


class RandomCrop_CategoryAreaConstraint(Augmentation):
    """Crop a random window in which no category covers more than a fraction of the labeled area; ten attempts.

    Args:
        crop_type: See `RandomCrop`.
        crop_size: See `RandomCrop`.
        single_category_max_area: Largest fraction of one category; 1 disables the constraint.
        ignored_category: A label that is ignored, or None.
    """

    def __init__(
        self,
        crop_type: str,
        crop_size: tuple[float, float],
        single_category_max_area: float = 1.0,
        ignored_category: int | None = None,
    ) -> None:
        self.crop_aug = RandomCrop(crop_type, crop_size)
        self.crop_type, self.crop_size = crop_type, crop_size
        self.single_category_max_area, self.ignored_category = single_category_max_area, ignored_category

    def get_transform(self, image: np.ndarray, sem_seg: np.ndarray) -> Transform:
        """Return the first random crop that satisfies the constraint, or the last one."""
        if self.single_category_max_area >= 1.0:
            return self.crop_aug.get_transform(image)
        h, w = sem_seg.shape
        for _ in range(10):
            crop_h, crop_w = self.crop_aug.get_crop_size((h, w))
            y, x = np.random.randint(h - crop_h + 1), np.random.randint(w - crop_w + 1)
            labels, counts = np.unique(sem_seg[y : y + crop_h, x : x + crop_w], return_counts=True)
            if self.ignored_category is not None:
                counts = counts[labels != self.ignored_category]
            if len(counts) > 1 and counts.max() < counts.sum() * self.single_category_max_area:
                break
        return CropTransform(x, y, crop_w, crop_h, w, h)


class RandomExtent(Augmentation):
    """Crop a random rectangle, which may extend beyond the image; pixels outside become black.

    Args:
        scale_range: `(low, high)` of the rectangle's size relative to the image.
        shift_range: `(x, y)`: the center moves by up to half of these fractions of the image size.
    """

    def __init__(self, scale_range: tuple[float, float], shift_range: tuple[float, float]) -> None:
        self.scale_range, self.shift_range = scale_range, shift_range

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return a random crop."""
        h, w = image.shape[:2]
        scale = np.random.uniform(*self.scale_range)
        center_x = w * (0.5 + self.shift_range[0] * (np.random.rand() - 0.5))
        center_y = h * (0.5 + self.shift_range[1] * (np.random.rand() - 0.5))
        half_w, half_h = 0.5 * w * scale, 0.5 * h * scale
        rectangle = (center_x - half_w, center_y - half_h, center_x + half_w, center_y + half_h)
        return ExtentTransform(rectangle, (max(int(2 * half_h), 1), max(int(2 * half_w), 1)))


class MinIoURandomCrop(Augmentation):
    """Crop a random window that overlaps every box by a random minimum IoU, or keep the whole image.

    Args:
        min_ious: Minimum overlaps to choose from, in addition to "whole image" and "any window".
        min_crop_size: Smallest side of a window, relative to the image.
        mode_trials: Number of attempts with a new minimum.
        crop_trials: Number of windows per minimum.

    Source: W. Liu et al.: SSD: Single Shot MultiBox Detector, 2016, section 2.2.
    """

    def __init__(
        self,
        min_ious: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9),
        min_crop_size: float = 0.3,
        mode_trials: int = 1000,
        crop_trials: int = 50,
    ) -> None:
        self.min_ious, self.min_crop_size = min_ious, min_crop_size
        self.mode_trials, self.crop_trials = mode_trials, crop_trials

    def get_transform(self, image: np.ndarray, boxes: np.ndarray) -> Transform:
        """Return the first random crop that satisfies the minimum, or no change."""
        if boxes is None:
            return NoOpTransform()
        h, w = image.shape[:2]
        modes = (1, *self.min_ious, 0)
        for _ in range(self.mode_trials):
            minimum = modes[np.random.randint(len(modes))]
            if minimum == 1:
                return NoOpTransform()
            for _ in range(self.crop_trials):
                window = self._window(h, w)
                if window is not None and _fits(window, boxes, minimum):
                    x0, y0, x1, y1 = window
                    return CropTransform(x0, y0, x1 - x0, y1 - y0, w, h)
        return NoOpTransform()

    def _window(self, h: int, w: int) -> tuple[int, int, int, int] | None:
        new_w, new_h = (np.random.uniform(self.min_crop_size * side, side) for side in (w, h))
        if not 0.5 <= new_h / new_w <= 2:
            return None
        left, top = np.random.uniform(w - new_w), np.random.uniform(h - new_h)
        window = int(left), int(top), int(left + new_w), int(top + new_h)
        return None if window[2] <= window[0] or window[3] <= window[1] else window


def _fits(window: tuple[int, int, int, int], boxes: np.ndarray, minimum: float) -> bool:
    """Return whether every box overlaps the window by `minimum` and the center of a box is inside."""
    if len(boxes) == 0:
        return True
    lower = np.maximum(boxes[:, :2], window[:2])
    upper = np.minimum(boxes[:, 2:], window[2:])
    common = (upper - lower).clip(min=0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    window_area = (window[2] - window[0]) * (window[3] - window[1])
    if (common / np.maximum(areas + window_area - common, 1e-9)).min() < minimum:
        return False
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    return bool(((centers > window[:2]) & (centers < window[2:])).all(axis=1).any())
