"""Augmentations that put several images into one sample: mosaic, mixup, copy-paste."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from detectory.data.images.reading import check_image_size, read_image
from detectory.data.lists import DatasetFromList
from detectory.data.transforms import (
    AugInput,
    Augmentation,
    AugmentationList,
    CropTransform,
    PadTransform,
    ResizeTransform,
    Transform,
    TransformList,
)
from detectory.structures import polygons_to_bitmask

from .mapper import DatasetMapper, image_to_tensor
from .whole_image import transform_all_annotations

# How many other images are tried when one has nothing to paste.
_TRIES = 5


def with_area(annotations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out annotations whose box has no area."""
    return [one for one in annotations if (one["bbox"][2:] > one["bbox"][:2]).all()]


@dataclass
class Scene:
    """An image with its objects, in its own coordinates.

    Attributes:
        image: `(H, W, C)`.
        annotations: Dicts of the standard format with `bbox` an array `(x1, y1, x2, y2)` and, where they are used,
            `segmentation` (a list of flat polygons or an `(H, W)` mask) and `keypoints` `(K, 3)`.
    """

    image: np.ndarray
    annotations: list[dict[str, Any]]

    @property
    def size(self) -> tuple[int, int]:
        """`(height, width)`."""
        return self.image.shape[0], self.image.shape[1]

    def moved(self, transforms: TransformList, keypoint_hflip_indices: Sequence[int] | None = None) -> "Scene":
        """Apply transforms to the image and to its objects; objects whose boxes become empty are left out."""
        image = transforms.apply_image(self.image)
        return Scene(image, self._moved_annotations(transforms, image.shape[:2], keypoint_hflip_indices))

    def augmented(
        self, augmentations: AugmentationList, keypoint_hflip_indices: Sequence[int] | None = None
    ) -> "Scene":
        """Apply augmentations to the image and to its objects."""
        given = AugInput(self.image)
        transforms = augmentations(given)
        return Scene(given.image, self._moved_annotations(transforms, given.image.shape[:2], keypoint_hflip_indices))

    def _moved_annotations(
        self, transforms: TransformList, size: tuple[int, int], keypoint_hflip_indices: Sequence[int] | None
    ) -> list[dict[str, Any]]:
        copies = [dict(annotation) for annotation in self.annotations]
        moved = transform_all_annotations(copies, transforms, size, keypoint_hflip_indices=keypoint_hflip_indices)
        return with_area(moved)


class Mix:
    """What combines a scene with others; draw random numbers from `numpy.random` only.

    Args:
        prob: How often a scene is combined; otherwise it stays as it is.
    """

    def __init__(self, prob: float = 1.0) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f"{type(self).__name__}: prob must lie in [0, 1], got {prob}")
        self.prob = prob

    def __call__(self, scene: Scene, draw: Callable[[], Scene]) -> Scene:
        """Throw the coin and combine.

        Args:
            scene: The sample's own.
            draw: Gives another scene of the dataset at every call.
        """
        return self.combine(scene, draw) if np.random.uniform() < self.prob else scene

    def combine(self, scene: Scene, draw: Callable[[], Scene]) -> Scene:
        """Combine a scene with others."""
        raise TypeError(f"{type(self).__name__} must define combine")


class Mosaic(Mix):
    """Put four images around a random point, each with the corner there that faces it.

    Every image is scaled to fit into `size`; what reaches beyond its quarter is cut off, polygons by clipping.

    Args:
        size: `(height, width)` of the result.
        center_range: Where the point lies, as fractions of both sides.
        pad_value: Of pixels that no image covers.
        prob: How often.

    Source: A. Bochkovskiy, C.-Y. Wang, H.-Y. M. Liao: YOLOv4, 2020, section 3.3.
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
            raise ValueError(f"Mosaic: center_range must lie inside (0, 1), got {center_range}")
        self.size, self.center_range, self.pad_value = size, center_range, pad_value

    def combine(self, scene: Scene, draw: Callable[[], Scene]) -> Scene:
        """Take three more scenes; the sample's own lies at the upper left."""
        h, w = self.size
        y, x = (round(side * np.random.uniform(*self.center_range)) for side in self.size)
        image = np.full((h, w, *scene.image.shape[2:]), self.pad_value, dtype=scene.image.dtype)
        annotations: list[dict[str, Any]] = []
        for number in range(4):
            one = scene if number == 0 else draw()
            rows, columns = (0, y) if number < 2 else (y, h), (0, x) if number % 2 == 0 else (x, w)
            placed, window = self._placed(one, rows, columns, is_above=number < 2, is_left=number % 2 == 0)
            top, bottom, left, right = window
            image[top:bottom, left:right] = placed.image[top:bottom, left:right]
            annotations += placed.annotations
        return Scene(image, annotations)

    def _placed(
        self, scene: Scene, rows: tuple[int, int], columns: tuple[int, int], is_above: bool, is_left: bool
    ) -> tuple[Scene, tuple[int, int, int, int]]:
        """Scale, cut and pad a scene so that it lies in its quarter; also tell where it covers that."""
        h, w = self.size
        old_h, old_w = scene.size
        scale = min(h / old_h, w / old_w)
        new_h, new_w = max(int(old_h * scale + 0.5), 1), max(int(old_w * scale + 0.5), 1)
        kept_h, kept_w = min(new_h, rows[1] - rows[0]), min(new_w, columns[1] - columns[0])
        crop = CropTransform(
            new_w - kept_w if is_left else 0, new_h - kept_h if is_above else 0, kept_w, kept_h, new_w, new_h
        )
        # Cut first, so that boxes end at the quarter's border.
        cut = scene.moved(TransformList([ResizeTransform(old_h, old_w, new_h, new_w), crop]))
        top, left = rows[1] - kept_h if is_above else rows[0], columns[1] - kept_w if is_left else columns[0]
        pad = PadTransform(left, top, w - left - kept_w, h - top - kept_h, kept_w, kept_h)
        return cut.moved(TransformList([pad])), (top, top + kept_h, left, left + kept_w)


class MixUp(Mix):
    """Blend two images and keep the objects of both, each with its full weight.

    Args:
        alpha: The share of the sample's own image is drawn from the distribution Beta(alpha, alpha).
        prob: How often.

    Source: Z. Zhang et al.: Bag of Freebies for Training Object Detection Neural Networks, 2019, section 3.1.
    """

    def __init__(self, alpha: float = 1.5, prob: float = 1.0) -> None:
        super().__init__(prob)
        if alpha <= 0:
            raise ValueError(f"MixUp: alpha must be positive, got {alpha}")
        self.alpha = alpha

    def combine(self, scene: Scene, draw: Callable[[], Scene]) -> Scene:
        """Blend with one more scene; the result has the larger height and width, padded with zeros."""
        share, other = np.random.beta(self.alpha, self.alpha), draw()
        h, w = (max(sides) for sides in zip(scene.size, other.size, strict=True))
        one, two = (_padded(part, h, w) for part in (scene, other))
        mixed = share * one.image.astype(np.float32) + (1 - share) * two.image.astype(np.float32)
        if not np.issubdtype(one.image.dtype, np.floating):
            mixed = np.rint(mixed)
        return Scene(mixed.astype(one.image.dtype), one.annotations + two.annotations)


def _padded(scene: Scene, h: int, w: int) -> Scene:
    old_h, old_w = scene.size
    if (old_h, old_w) == (h, w):
        return scene
    return scene.moved(TransformList([PadTransform(0, 0, w - old_w, h - old_h, old_w, old_h)]))


class CopyPaste(Mix):
    """Paste a random part of another image's objects over a scene, along their masks.

    Objects below lose what is covered: their masks, and the boxes around these. Use large-scale jitter as the mapper's
    augmentations, so that both images have one size; otherwise the other image is cut or padded at the right and at
    the bottom. The mapper needs `use_instance_mask=True` and `instance_mask_format="bitmask"`.

    Args:
        min_visible: Objects of which a smaller fraction stays visible are left out.
        prob: How often.

    Source: G. Ghiasi et al.: Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation, 2021,
    section 3.
    """

    def __init__(self, min_visible: float = 0.05, prob: float = 1.0) -> None:
        super().__init__(prob)
        if not 0 <= min_visible < 1:
            raise ValueError(f"CopyPaste: min_visible must lie in [0, 1), got {min_visible}")
        self.min_visible = min_visible

    def combine(self, scene: Scene, draw: Callable[[], Scene]) -> Scene:
        """Take objects of one more scene; a scene without masks is passed over for another, five times at most."""
        h, w = scene.size
        for _ in range(_TRIES):
            other = _fitted(draw(), h, w)
            pasted = [one for one in other.annotations if one.get("segmentation") is not None]
            pasted = [one for one in pasted if np.random.uniform() < 0.5]
            masks = [_mask(one, h, w) for one in pasted]
            covered = np.any(masks, axis=0) if masks else np.zeros((h, w), dtype=bool)
            if covered.any():
                break
        else:
            return scene
        image = np.where(covered[:, :, None] if scene.image.ndim == 3 else covered, other.image, scene.image)
        kept = [self._below(one, covered, h, w) for one in scene.annotations]
        moved = [
            {**one, "segmentation": mask, "bbox": _box(mask)}
            for one, mask in zip(pasted, masks, strict=True)
            if mask.any()
        ]
        return Scene(image, [one for one in kept if one is not None] + moved)

    def _below(self, annotation: dict[str, Any], covered: np.ndarray, h: int, w: int) -> dict[str, Any] | None:
        """Take what is covered off an object of the scene; None where too little is left."""
        if annotation.get("segmentation") is None:
            return annotation
        mask = _mask(annotation, h, w)
        visible = mask & ~covered
        if visible.sum() <= self.min_visible * mask.sum():
            return None
        box = annotation["bbox"] if visible.sum() == mask.sum() else _box(visible)
        return {**annotation, "segmentation": visible, "bbox": box}


def _fitted(scene: Scene, h: int, w: int) -> Scene:
    """Cut and pad a scene at the right and at the bottom."""
    old_h, old_w = scene.size
    if old_h > h or old_w > w:
        crop = CropTransform(0, 0, min(w, old_w), min(h, old_h), old_w, old_h)
        scene = scene.moved(TransformList([crop]))
    return _padded(scene, h, w)


def _mask(annotation: dict[str, Any], h: int, w: int) -> np.ndarray:
    """Give an annotation's `(h, w)` boolean mask."""
    segmentation = annotation["segmentation"]
    if isinstance(segmentation, np.ndarray):
        return segmentation.astype(bool)
    polygons = [np.asarray(polygon, dtype=np.float64).reshape(-1) for polygon in segmentation]
    return polygons_to_bitmask([polygon for polygon in polygons if len(polygon) >= 6], h, w)


def _box(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)


class MixingMapper(DatasetMapper):
    """A mapper whose samples are made of several images of the dataset.

    For a sample its own image is read and augmented; then each mix combines it with others, which are drawn at random,
    read and augmented alike; then `augmentations_after` act on the whole. Which images are drawn depends only on the
    random generators that the loader seeds for every sample: the loader's state is all that an exact resume needs,
    with any number of workers.

    Args:
        is_train: Whether images are mixed; at inference this is a `DatasetMapper`.
        dataset: The records that others are drawn from, usually those that the loader gets. Give both the same
            `DatasetFromList`, so that they share its memory.
        mixes: Applied in order.
        augmentations_after: Augmentations of the mixed image, for example a resize after a mosaic.
        kwargs: See `DatasetMapper`; `augmentations` act on each single image.

    Example:
        >>> from detectory.data import DatasetFromList, transforms as T
        >>> from detectory.data import CopyPaste, MixingMapper
        >>> records = DatasetFromList([{"file_name": "a.jpg", "image_id": 1, "annotations": []}])
        >>> mapper = MixingMapper(
        ...     True, dataset=records, mixes=[CopyPaste()], augmentations=[T.LargeScaleJitter((1024, 1024))],
        ...     image_format="BGR", use_instance_mask=True, instance_mask_format="bitmask",
        ... )
    """

    def __init__(
        self,
        is_train: bool,
        *,
        dataset: Sequence[dict[str, Any]] | Dataset,
        mixes: Sequence[Mix],
        augmentations_after: Sequence[Augmentation | Transform] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(is_train, **kwargs)
        self.dataset: Any = dataset if isinstance(dataset, Dataset) else DatasetFromList(dataset, copy=False)
        self.mixes, self.augmentations_after = list(mixes), AugmentationList(augmentations_after)
        makes_bitmasks = self.use_instance_mask and self.instance_mask_format == "bitmask"
        if any(isinstance(mix, CopyPaste) for mix in self.mixes) and not makes_bitmasks:
            raise ValueError("MixingMapper: CopyPaste needs use_instance_mask=True, instance_mask_format='bitmask'")
        if self.proposal_topk is not None:
            raise ValueError("MixingMapper: precomputed proposals belong to single images, they cannot be mixed")

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """Map one record together with others; see `DatasetMapper.__call__`."""
        if not self.is_train:
            return super().__call__(dataset_dict)
        scene = self._scene(dataset_dict)
        for mix in self.mixes:
            scene = mix(scene, self._another)
        if self.augmentations_after.augs:
            hflip: Any = self.keypoint_hflip_indices
            scene = scene.augmented(self.augmentations_after, hflip)
        record = {key: value for key, value in dataset_dict.items() if key != "annotations"}
        record["image"] = image_to_tensor(scene.image)
        record["instances"] = self._instances(record, scene.annotations, scene.size)
        return record

    def _another(self) -> Scene:
        return self._scene(self.dataset[int(np.random.randint(len(self.dataset)))])

    def _scene(self, dataset_dict: dict[str, Any]) -> Scene:
        """Read and augment one image with its objects."""
        record = dict(dataset_dict)
        if "sem_seg_file_name" in record:
            raise ValueError(f"MixingMapper: {record['file_name']}: semantic labels cannot be mixed")
        image = read_image(record["file_name"], format=self.image_format)
        check_image_size(record, image)
        given = AugInput(image)
        transforms = self.augmentations(given)
        moved = self._moved_annotations(record, transforms, given.image.shape[:2])
        return Scene(given.image, with_area(moved))
