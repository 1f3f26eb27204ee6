"""Training targets of Panoptic-DeepLab: semantic classes, heat map of centers, offsets to the centers, and weights."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["PanopticDeepLabTargetGenerator"]


class PanopticDeepLabTargetGenerator:
    """Converts a panoptic label map to training targets.

    Args:
        ignore_label: Semantic label of pixels without a segment.
        thing_ids: Contiguous ids of the thing classes.
        sigma: Standard deviation of the Gaussian around a center, pixels.
        ignore_stuff_in_offset: Whether stuff has no weight in the loss of the offsets.
        small_instance_area: Things with fewer pixels are small.
        small_instance_weight: Weight of small things in the semantic loss.
        ignore_crowd_in_semantic: Whether crowds have the semantic label `ignore_label`.

    Source: Cheng et al., "Panoptic-DeepLab", CVPR 2020, section 3.
    """

    def __init__(
        self,
        ignore_label: int,
        thing_ids: Collection[int],
        sigma: int = 8,
        ignore_stuff_in_offset: bool = False,
        small_instance_area: int = 0,
        small_instance_weight: float = 1,
        ignore_crowd_in_semantic: bool = False,
    ) -> None:
        self.ignore_label = ignore_label
        self.thing_ids = set(thing_ids)
        self.ignore_stuff_in_offset = ignore_stuff_in_offset
        self.small_instance_area = small_instance_area
        self.small_instance_weight = small_instance_weight
        self.ignore_crowd_in_semantic = ignore_crowd_in_semantic
        self.sigma = sigma
        distance = np.arange(6 * sigma + 3, dtype=np.float64) - (3 * sigma + 1)
        self._gaussian = np.exp(-(distance[:, None] ** 2 + distance**2) / (2 * sigma**2)).astype(np.float32)

    def __call__(self, panoptic: np.ndarray, segments_info: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the targets of an image.

        Args:
            panoptic: Segment ids, `(H, W)`.
            segments_info: Segments with `id`, `category_id` (contiguous) and `iscrowd`; some may have no pixels.

        Returns:
            `sem_seg` `(H, W)` int64, `center` `(H, W)`, `offset` `(2, H, W)` to the center in pixels, y first,
            `sem_seg_weights` `(H, W)`, `center_weights` and `offset_weights` `(1, H, W)`, and the list
            `center_points` of (y, x).
        """
        shape = panoptic.shape
        semantic = np.full(shape, self.ignore_label, np.int64)
        center, offset = np.zeros(shape, np.float32), np.zeros((2, *shape), np.float32)
        semantic_weights = np.ones(shape, np.float32)
        center_weights, offset_weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        points = []
        for segment in segments_info:
            mask = panoptic == segment["id"]
            is_thing, is_crowd = segment["category_id"] in self.thing_ids, bool(segment["iscrowd"])
            if not (self.ignore_crowd_in_semantic and is_crowd):
                semantic[mask] = segment["category_id"]
            if not is_crowd:
                center_weights[mask] = 1
                if is_thing or not self.ignore_stuff_in_offset:
                    offset_weights[mask] = 1
            rows, columns = np.nonzero(mask)
            if not is_thing or len(rows) == 0:
                continue
            if len(rows) < self.small_instance_area:
                semantic_weights[mask] = self.small_instance_weight
            y, x = rows.mean(), columns.mean()
            points.append([y, x])
            self._add_gaussian(center, round(y), round(x))
            offset[0][mask], offset[1][mask] = y - rows, x - columns
        return {
            "sem_seg": torch.from_numpy(semantic),
            "center": torch.from_numpy(center),
            "center_points": points,
            "offset": torch.from_numpy(offset),
            "sem_seg_weights": torch.from_numpy(semantic_weights),
            "center_weights": torch.from_numpy(center_weights)[None],
            "offset_weights": torch.from_numpy(offset_weights)[None],
        }

    def _add_gaussian(self, heat: np.ndarray, y: int, x: int) -> None:
        """Set the heat around a center to the maximum of its values and the Gaussian, in place."""
        radius = 3 * self.sigma + 1
        top, left = max(y - radius, 0), max(x - radius, 0)
        window = heat[top : y + radius + 1, left : x + radius + 1]
        row, column = top - (y - radius), left - (x - radius)
        part = self._gaussian[row : row + window.shape[0], column : column + window.shape[1]]
        np.maximum(window, part, out=window)
