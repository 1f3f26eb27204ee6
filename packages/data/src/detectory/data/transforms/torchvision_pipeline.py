"""Any pipeline of torchvision.transforms.v2 as an augmentation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .augmentation import Augmentation
from .transform import Transform, as_float_coords


class TorchvisionTransform(Transform):
    """One draw of a torchvision pipeline, repeated with the same random numbers for everything on the image.

    Args:
        pipeline: A transform of `torchvision.transforms.v2`.
        size: `(h, w)` of the image.
        seed: Of the random numbers.
    """

    def __init__(self, pipeline: Callable[..., Any], size: tuple[int, int], seed: int) -> None:
        self.pipeline, self.size, self.seed = pipeline, size, seed

    def _run(self, *inputs: Any) -> Any:
        """Run the pipeline from the seed; torch's generator goes on as if nothing had been drawn."""
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(self.seed)
            try:
                moved = self.pipeline(*inputs)
            except TypeError as error:
                # The policies of AutoAugment and its like, and RandomIoUCrop, say so of what they cannot move.
                kinds = ", ".join(type(item).__name__ for item in inputs)
                raise TypeError(f"TorchvisionAugmentation: the pipeline cannot move {kinds}: {error}") from error
        moved = moved if len(inputs) > 1 else (moved,)
        if not all(isinstance(item, torch.Tensor) for item in moved):
            raise TypeError(f"TorchvisionAugmentation: the pipeline must give one image, got {type(moved[0]).__name__}")
        return moved if len(inputs) > 1 else moved[0]

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        """Run the pipeline on an `(h, w)` or `(h, w, C)` image."""
        from torchvision import tv_tensors

        planes = img[None] if img.ndim == 2 else img.transpose(2, 0, 1)
        moved = self._run(tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(planes)))).numpy()
        return moved[0] if img.ndim == 2 else np.ascontiguousarray(moved.transpose(1, 2, 0))

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        """Run the pipeline on an `(h, w)` map; torchvision does not blend the labels of a mask."""
        from torchvision import tv_tensors

        dtype = segmentation.dtype
        labels = torch.from_numpy(np.ascontiguousarray(segmentation, dtype=np.int64 if dtype == np.uint16 else dtype))
        moved = self._run(self._blank(), tv_tensors.Mask(labels[None]))[1]
        return moved[0].numpy().astype(dtype)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        """Move `(N, 2)` points."""
        from torchvision import tv_tensors

        points = as_float_coords(coords).reshape(-1, 2)
        # Boxes without size: torchvision's key points count pixels in some transforms and are continuous in others.
        corners = torch.from_numpy(points.astype(np.float64)).repeat(1, 2)
        boxes = tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=self.size, clamping_mode=None)
        moved = self._run(self._blank(), boxes)[1]
        return moved.as_subclass(torch.Tensor)[:, :2].numpy().astype(points.dtype)

    def _blank(self) -> Any:
        """An image of the right size: pipelines draw their numbers from it."""
        from torchvision import tv_tensors

        return tv_tensors.Image(torch.zeros(3, *self.size, dtype=torch.uint8))


class TorchvisionAugmentation(Augmentation):
    """Apply a pipeline of `torchvision.transforms.v2` to images and to what lies on them.

    Args:
        pipeline: A transform, or a `Compose` or `Sequential` of several. Steps that leave out or cut boxes
            (`SanitizeBoundingBoxes`, `ClampBoundingBoxes`) are left to the mapper, which does so after all
            augmentations. `AutoAugment` and its like move images only, and `RandomIoUCrop` needs the boxes of
            one image at once (`MinIoURandomCrop` does the same): on annotations these raise TypeError.

    Example:
        >>> from torchvision.transforms import v2
        >>> from detectory.data import transforms as T
        >>> given = T.AugInput(np.zeros((8, 16, 3), np.uint8))
        >>> transform = T.TorchvisionAugmentation(v2.RandomHorizontalFlip(p=1.0))(given)
        >>> transform.apply_coords(np.array([[1.0, 2.0]])).tolist()
        [[15.0, 2.0]]
    """

    def __init__(self, pipeline: Callable[..., Any]) -> None:
        if not callable(pipeline):
            raise TypeError(f"TorchvisionAugmentation: pipeline must be callable, got {type(pipeline).__name__}")
        self.pipeline = _without_box_filters(pipeline)

    def get_transform(self, image: np.ndarray) -> Transform:
        """Draw a seed."""
        return TorchvisionTransform(self.pipeline, image.shape[:2], int(np.random.randint(1 << 31)))


def _without_box_filters(pipeline: Callable[..., Any]) -> Callable[..., Any]:
    """Make a `Compose` of containers, without steps that would take points of polygons for empty boxes."""
    from torchvision.transforms import v2

    if not isinstance(pipeline, (v2.Compose, torch.nn.Sequential)):
        return pipeline
    steps = pipeline.transforms if isinstance(pipeline, v2.Compose) else list(pipeline)
    names = ("SanitizeBoundingBoxes", "ClampBoundingBoxes", "SanitizeKeyPoints", "ClampKeyPoints")
    kept = [_without_box_filters(step) for step in steps if type(step).__name__ not in names]
    return v2.Compose(kept or [v2.Identity()])
