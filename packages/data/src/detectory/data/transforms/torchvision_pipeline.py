"""Adapter of pipelines of torchvision.transforms.v2."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .augmentation import Augmentation
from .transform import Transform, as_float_coords


class TorchvisionTransform(Transform):
    """A torchvision pipeline with fixed random numbers, applied consistently to an image and its annotations.

    Args:
        pipeline: A transform of `torchvision.transforms.v2`.
        size: `(h, w)` of the image.
        seed: Seed of the random numbers.
    """

    def __init__(self, pipeline: Callable[..., Any], size: tuple[int, int], seed: int) -> None:
        self.pipeline, self.size, self.seed = pipeline, size, seed

    def _run(self, *inputs: Any) -> Any:
        """Run the pipeline with the seed; the state of torch's generator is restored."""
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(self.seed)
            try:
                moved = self.pipeline(*inputs)
            except TypeError as error:
                # AutoAugment and similar policies, and RandomIoUCrop, raise TypeError for unsupported types.
                types = ", ".join(type(item).__name__ for item in inputs)
                raise TypeError(f"TorchvisionAugmentation: the pipeline does not support {types}: {error}") from error
        moved = moved if len(inputs) > 1 else (moved,)
        if not all(isinstance(item, torch.Tensor) for item in moved):
            raise TypeError(
                f"TorchvisionAugmentation: the pipeline must return one image, got {type(moved[0]).__name__}"
            )
        return moved if len(inputs) > 1 else moved[0]

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Run the pipeline on an `(h, w)` or `(h, w, C)` image."""
        from torchvision import tv_tensors

        planes = img[None] if img.ndim == 2 else img.transpose(2, 0, 1)
        moved = self._run(tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(planes)))).numpy()
        return moved[0] if img.ndim == 2 else np.ascontiguousarray(moved.transpose(1, 2, 0))

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Run the pipeline on an `(h, w)` map; torchvision does not blend labels of masks."""
        from torchvision import tv_tensors

        dtype = segmentation.dtype
        labels = torch.from_numpy(np.ascontiguousarray(segmentation, dtype=np.int64 if dtype == np.uint16 else dtype))
        moved = self._run(self._blank(), tv_tensors.Mask(labels[None]))[1]
        return moved[0].numpy().astype(dtype)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Transform `(N, 2)` points."""
        from torchvision import tv_tensors

        points = as_float_coords(coords).reshape(-1, 2)
        # Points are passed as empty boxes, because torchvision's keypoints are pixel indices in some transforms and
        # continuous in others.
        corners = torch.from_numpy(points.astype(np.float64)).repeat(1, 2)
        boxes = tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=self.size, clamping_mode=None)
        moved = self._run(self._blank(), boxes)[1]
        return moved.as_subclass(torch.Tensor)[:, :2].numpy().astype(points.dtype)

    def _blank(self) -> Any:
        """Return an empty image of the original size, from which pipelines draw their random parameters."""
        from torchvision import tv_tensors

        return tv_tensors.Image(torch.zeros(3, *self.size, dtype=torch.uint8))


class TorchvisionAugmentation(Augmentation):
    """Apply a pipeline of `torchvision.transforms.v2` to images and their annotations.

    Args:
        pipeline: A transform, or a `Compose` or `Sequential` of transforms. Steps that remove or clip boxes
            (`SanitizeBoundingBoxes`, `ClampBoundingBoxes`) are dropped, because the mapper does this after all
            augmentations. `AutoAugment` and similar policies support only images, and `RandomIoUCrop` requires all
            boxes at once (use `MinIoURandomCrop`): with annotations they raise TypeError.

    Example:
        >>> from torchvision.transforms import v2
        >>> from detectory.data import transforms as T
        >>> aug_input = T.AugInput(np.zeros((8, 16, 3), np.uint8))
        >>> transform = T.TorchvisionAugmentation(v2.RandomHorizontalFlip(p=1.0))(aug_input)
        >>> transform.apply_coords(np.array([[1.0, 2.0]])).tolist()
        [[15.0, 2.0]]
    """

    def __init__(self, pipeline: Callable[..., Any]) -> None:
        if not callable(pipeline):
            raise TypeError(f"TorchvisionAugmentation: pipeline must be callable, got {type(pipeline).__name__}")
        self.pipeline = _without_box_filters(pipeline)

    def get_transform(self, image: np.ndarray) -> Transform:
        """Return the pipeline with a random seed."""
        return TorchvisionTransform(self.pipeline, image.shape[:2], int(np.random.randint(1 << 31)))


def _without_box_filters(pipeline: Callable[..., Any]) -> Callable[..., Any]:
    """Return the pipeline without the steps that remove or clip boxes, also in nested containers."""
    from torchvision.transforms import v2

    if not isinstance(pipeline, (v2.Compose, torch.nn.Sequential)):
        return pipeline
    steps = pipeline.transforms if isinstance(pipeline, v2.Compose) else list(pipeline)
    names = ("SanitizeBoundingBoxes", "ClampBoundingBoxes", "SanitizeKeyPoints", "ClampKeyPoints")
    kept = [_without_box_filters(step) for step in steps if type(step).__name__ not in names]
    return v2.Compose(kept or [v2.Identity()])
