"""Scenes and their combinations: mosaic, mixup and copy-paste."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detectory.data.transforms import (
    AugInput,
    AugmentationList,
    CropTransform,
    PadTransform,
    ResizeTransform,
    TransformList,
)
from detectory.structures import Annotation, polygons_to_bitmask

from .whole_image import transform_all_annotations

# The number of other images to try until one has an object to paste.
_MAX_TRIES = 5


def nonempty_annotations(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Return the annotations with a box of positive width and height."""
    boxes = [np.asarray(annotation["bbox"]) for annotation in annotations]
    return [annotation for annotation, box in zip(annotations, boxes, strict=True) if (box[2:] > box[:2]).all()]


@dataclass
class Scene:
    """An augmented image and its objects.

    Attributes:
        image: Shape (H, W, C).
        annotations: Annotations in pixels of `image`: `bbox` is an array `(x1, y1, x2, y2)`, `segmentation` a list of
            flat polygons or a mask (H, W), `keypoints` an array (K, 3).
    """

    image: np.ndarray
    annotations: list[Annotation]

    @property
    def size(self) -> tuple[int, int]:
        """`(height, width)` in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def transformed(self, transforms: TransformList, keypoint_hflip_indices: Sequence[int] | None = None) -> "Scene":
        """Apply transforms to the image and its objects; objects outside the result are removed."""
        image = transforms.apply_image(self.image)
        return Scene(image, self._transformed_annotations(transforms, image.shape[:2], keypoint_hflip_indices))

    def augmented(
        self, augmentations: AugmentationList, keypoint_hflip_indices: Sequence[int] | None = None
    ) -> "Scene":
        """Apply augmentations to the image and its objects; objects outside the result are removed."""
        aug_input = AugInput(self.image)
        transforms = augmentations(aug_input)
        image = aug_input.image
        return Scene(image, self._transformed_annotations(transforms, image.shape[:2], keypoint_hflip_indices))

    def _transformed_annotations(
        self, transforms: TransformList, size: tuple[int, int], keypoint_hflip_indices: Sequence[int] | None
    ) -> list[Annotation]:
        copies = [annotation.copy() for annotation in self.annotations]
        annotations = transform_all_annotations(copies, transforms, size, keypoint_hflip_indices=keypoint_hflip_indices)
        return nonempty_annotations(annotations)


class Mix:
    """Base class of combinations of a scene with other scenes.

    Subclasses must draw random numbers only from generators that the loader seeds per sample, such as `numpy.random`.

    Args:
        prob: The probability of combining a scene; otherwise it is returned unchanged.
    """

    def __init__(self, prob: float = 1.0) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f"{type(self).__name__}: prob must be in [0, 1], got {prob}")
        self.prob = prob

    def __call__(self, scene: Scene, draw: Callable[[], Scene]) -> Scene:
        """Combine with probability `prob`.

        Args:
            scene: The scene of the sample's own image.
            draw: Returns a random other scene of the dataset at each call.
        """
        return self.combine(scene, draw) if np.random.uniform() < self.prob else scene

    def combine(self, scene: Scene, draw: Callable[[], Scene]) -> Scene:
        """Combine a scene with others; defined by subclasses."""
        raise TypeError(f"{type(self).__name__} must define combine")


class Mosaic(Mix):
    """Arrange four images around a random centre point.

    Each image is scaled to fit into `size` and placed with one corner at the centre point. Parts beyond its quadrant
    are cropped and polygons are clipped.

    Args:
        size: `(height, width)` of the result in pixels.
        center_range: The range of the centre point as fractions of height and width.
        pad_value: The value of pixels that no image covers.
        prob: The probability of a mosaic.

    Source: Bochkovskiy, Wang and Liao 2020, "YOLOv4", section 3.3.
    """

    def __init__(
        self,
        size: tuple[int, int],
        center_range: tuple[float, float] = (0.25, 0.75),
        pad_value: float = 114,
        prob: float = 1.0,
    ) -> None:
        super().__init__(prob)
        if not 0 < center_range[0] <= center_range[1] < 1:
            raise ValueError(f"Mosaic: center_range must be inside (0, 1), got {center_range}")
        self.size, self.center_range, self.pad_value = size, center_range, pad_value

    def combine(self, scene: Scene, draw: Callable[[], Scene]) -> Scene:
        """Place the sample's own scene at the upper left and three others in the remaining quadrants."""
        h, w = self.size
        y, x = (round(side * np.random.uniform(*self.center_range)) for side in self.size)
        image = np.full((h, w, *scene.image.shape[2:]), self.pad_value, dtype=scene.image.dtype)
        annotations: list[Annotation] = []
        for quadrant in range(4):
            is_above, is_left = quadrant < 2, quadrant % 2 == 0
            rows, columns = (0, y) if is_above else (y, h), (0, x) if is_left else (x, w)
            part = scene if quadrant == 0 else draw()
            placed, window = self._placed(part, rows, columns, is_above=is_above, is_left=is_left)
            top, bottom, left, right = window
            image[top:bottom, left:right] = placed.image[top:bottom, left:right]
            annotations += placed.annotations
        return Scene(image, annotations)

    def _placed(
        self, scene: Scene, rows: tuple[int, int], columns: tuple[int, int], is_above: bool, is_left: bool
    ) -> tuple[Scene, tuple[int, int, int, int]]:
        """Scale, crop and pad a scene to its quadrant; also return the window that it covers."""
        h, w = self.size
        old_h, old_w = scene.size
        scale = min(h / old_h, w / old_w)
        new_h, new_w = max(int(old_h * scale + 0.5), 1), max(int(old_w * scale + 0.5), 1)
        kept_h, kept_w = min(new_h, rows[1] - rows[0]), min(new_w, columns[1] - columns[0])
        crop = CropTransform(
            new_w - kept_w if is_left else 0, new_h - kept_h if is_above else 0, kept_w, kept_h, new_w, new_h
        )
        # Crop before padding, so that boxes are clipped to the quadrant.
        cropped = scene.transformed(TransformList([ResizeTransform(old_h, old_w, new_h, new_w), crop]))
        top, left = rows[1] - kept_h if is_above else rows[0], columns[1] - kept_w if is_left else columns[0]
        pad = PadTransform(left, top, w - left - kept_w, h - top - kept_h, kept_w, kept_h)
        return cropped.transformed(TransformList([pad])), (top, top + kept_h, left, left + kept_w)


class MixUp(Mix):
    """Blend two images and keep the objects of both with equal loss weights.

    Args:
        alpha: The weight of the sample's own image is drawn from Beta(alpha, alpha).
        prob: The probability of blending.

    Source: Zhang et al. 2019, "Bag of Freebies for Training Object Detection Neural Networks", section 3.1.
    """

    def __init__(self, alpha: float = 1.5, prob: float = 1.0) -> None:
        super().__init__(prob)
        if alpha <= 0:
            raise ValueError(f"MixUp: alpha must be positive, got {alpha}")
        self.alpha = alpha

    def combine(self, scene: Scene, draw: Callable[[], Scene]) -> Scene:
        """Blend with another scene. Smaller images are padded with zeros to the larger height and width."""
        weight, other = np.random.beta(self.alpha, self.alpha), draw()
        h, w = (max(sides) for sides in zip(scene.size, other.size, strict=True))
        one, two = (_padded(part, h, w) for part in (scene, other))
        blended = weight * one.image.astype(np.float32) + (1 - weight) * two.image.astype(np.float32)
        if not np.issubdtype(one.image.dtype, np.floating):
            blended = np.rint(blended)
        return Scene(blended.astype(one.image.dtype), one.annotations + two.annotations)


def _padded(scene: Scene, h: int, w: int) -> Scene:
    old_h, old_w = scene.size
    if (old_h, old_w) == (h, w):
        return scene
    return scene.transformed(TransformList([PadTransform(0, 0, w - old_w, h - old_h, old_w, old_h)]))


class CopyPaste(Mix):
    """Paste a random half of the objects of another image over a scene, cut out along their masks.

    Masks of the occluded objects lose the covered pixels, and their boxes shrink accordingly. Use `LargeScaleJitter` as
    the mapper's augmentation, so that both images have the same size; otherwise the other image is cropped or padded at
    the right and at the bottom. The mapper must have `use_instance_mask=True` and `instance_mask_format="bitmask"`.

    Args:
        min_visible: Objects are removed if their visible fraction is not above this.
        prob: The probability of pasting.

    Source: Ghiasi et al. 2021, "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation",
    section 3.
    """

    def __init__(self, min_visible: float = 0.05, prob: float = 1.0) -> None:
        super().__init__(prob)
        if not 0 <= min_visible < 1:
            raise ValueError(f"CopyPaste: min_visible must be in [0, 1), got {min_visible}")
        self.min_visible = min_visible

    def combine(self, scene: Scene, draw: Callable[[], Scene]) -> Scene:
        """Paste objects of another scene; scenes without masks are skipped, at most five times."""
        h, w = scene.size
        for _ in range(_MAX_TRIES):
            other = _fitted(draw(), h, w)
            pasted = [a for a in other.annotations if a.get("segmentation") is not None]
            pasted = [a for a in pasted if np.random.uniform() < 0.5]
            masks = [_mask(a, h, w) for a in pasted]
            covered = np.any(masks, axis=0) if masks else np.zeros((h, w), dtype=bool)
            if covered.any():
                break
        else:
            return scene
        image = np.where(covered[:, :, None] if scene.image.ndim == 3 else covered, other.image, scene.image)
        visible = [self._occluded(a, covered, h, w) for a in scene.annotations]
        annotations = [a for a in visible if a is not None]
        annotations += [_with_mask(a, mask) for a, mask in zip(pasted, masks, strict=True) if mask.any()]
        return Scene(image, annotations)

    def _occluded(self, annotation: Annotation, covered: np.ndarray, h: int, w: int) -> Annotation | None:
        """Remove the covered pixels from an object; return None if too few remain."""
        if annotation.get("segmentation") is None:
            return annotation
        mask = _mask(annotation, h, w)
        visible = mask & ~covered
        if visible.sum() <= self.min_visible * mask.sum():
            return None
        if visible.sum() == mask.sum():
            # Keep the annotated box, which is more precise than the box of the pixels.
            return {**annotation, "segmentation": visible}
        return _with_mask(annotation, visible)


def _fitted(scene: Scene, h: int, w: int) -> Scene:
    """Crop and pad a scene at the right and at the bottom."""
    old_h, old_w = scene.size
    if old_h > h or old_w > w:
        crop = CropTransform(0, 0, min(w, old_w), min(h, old_h), old_w, old_h)
        scene = scene.transformed(TransformList([crop]))
    return _padded(scene, h, w)


def _mask(annotation: Annotation, h: int, w: int) -> np.ndarray:
    """Return the mask of an annotation, bool of shape (h, w)."""
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, np.ndarray):
        return segmentation.astype(bool)
    polygons = [np.asarray(polygon, dtype=np.float64).reshape(-1) for polygon in segmentation]
    return polygons_to_bitmask([polygon for polygon in polygons if len(polygon) >= 6], h, w)


def _with_mask(annotation: Annotation, mask: np.ndarray) -> Annotation:
    """Return the annotation with another mask and the bounding box of that mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
    return {**annotation, "segmentation": mask, "bbox": box}
