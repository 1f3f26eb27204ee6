"""Keypoints of one image's objects, and the heatmaps that a keypoint head learns and predicts."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ._annotations import Index
from ._pytree import register_tensor_holder
from .boxes import box_tensor


class Keypoints:
    """N objects with K keypoints `(x, y, visibility)`, absolute continuous coordinates.

    Visibility follows COCO: 0 not labelled (x = y = 0), 1 labelled but hidden, 2 labelled and visible.

    Args:
        keypoints: Tensor, array or nested list of shape (N, K, 3); becomes float32.

    Raises:
        ValueError: when the shape is another one.
    """

    def __init__(self, keypoints: torch.Tensor | np.ndarray | list[list[float]]) -> None:
        if not isinstance(keypoints, torch.Tensor):
            keypoints = torch.as_tensor(np.asarray(keypoints, dtype=np.float32))
        if keypoints.dim() != 3 or keypoints.shape[2] != 3:
            raise ValueError(f"Keypoints: keypoints must have shape (N, K, 3), got {tuple(keypoints.shape)}")
        self.tensor = keypoints.to(torch.float32)

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def to(self, *args: Any, **kwargs: Any) -> "Keypoints":
        """Return the keypoints on another device; the dtype stays float32."""
        return Keypoints(self.tensor.to(*args, **kwargs))

    @property
    def device(self) -> torch.device:
        """Where the tensor is."""
        return self.tensor.device

    def to_heatmap(self, boxes: torch.Tensor, heatmap_size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return for each keypoint the cell of its box's heatmap that it falls into.

        A point on the box's right or bottom side belongs to the last cell.

        Args:
            boxes: Shape (N, 4), one for each object.
            heatmap_size: Cells along a side.

        Returns:
            The cell `row * heatmap_size + column`, int64 of shape (N, K), 0 where not valid; and a bool tensor (N, K):
            the keypoint is labelled and inside the box.

        Source: Mask R-CNN, He et al. 2017, section 5.
        """
        boxes = box_tensor("Keypoints.to_heatmap", boxes, len(self))
        points, visibility = self.tensor[..., :2], self.tensor[..., 2]
        start, end = boxes[:, None, :2], boxes[:, None, 2:]  # (N, 1, 2)
        cells = ((points - start) * (heatmap_size / (end - start))).floor().to(torch.int64)  # (N, K, 2)
        cells = torch.where(points == end, heatmap_size - 1, cells)
        valid = ((cells >= 0) & (cells < heatmap_size)).all(dim=2) & (visibility > 0)
        return torch.where(valid, cells[..., 1] * heatmap_size + cells[..., 0], 0), valid

    def __getitem__(self, item: Index) -> "Keypoints":
        """Select objects; an int gives one object, a slice shares storage.

        Args:
            item: Int, slice, tensor of indices, or bool tensor of length N.
        """
        if isinstance(item, int):
            return Keypoints(self.tensor[item].unsqueeze(0))
        return Keypoints(self.tensor[item])

    def __repr__(self) -> str:
        return f"Keypoints(num_instances={len(self)})"

    @staticmethod
    def cat(keypoints_list: list["Keypoints"]) -> "Keypoints":
        """Join the objects.

        Raises:
            ValueError: when the list is empty.
            TypeError: when an entry is no `Keypoints`.
        """
        if len(keypoints_list) == 0:
            raise ValueError("Keypoints.cat: needs at least one entry, got none")
        for position, keypoints in enumerate(keypoints_list):
            if not isinstance(keypoints, Keypoints):
                raise TypeError(f"Keypoints.cat: entry {position} must be Keypoints, got {type(keypoints).__name__}")
        return Keypoints(torch.cat([keypoints.tensor for keypoints in keypoints_list], dim=0))


def heatmaps_to_keypoints(maps: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
    """Find the keypoints in predicted heatmaps.

    Each heatmap is enlarged to its box's size in pixels (bicubic) and its highest pixel `d` gives the continuous
    coordinate `d + 0.5`, the inverse of `Keypoints.to_heatmap`.

    Args:
        maps: Logits, shape (R, K, H, W).
        rois: Boxes, shape (R, 4); sides below one pixel count as one.

    Returns:
        Shape (R, K, 4): x, y, the logit at the highest pixel, and its score, the softmax numerator there over the sum
        of the heatmap before enlarging.

    Source: Heckbert 1990, "What are the coordinates of a pixel?", for `c = d + 0.5`.
    """
    if not torch.jit.is_scripting():
        _check_shapes(maps, rois)
    with torch.no_grad():
        return _highest_points(maps, rois)


def _check_shapes(maps: torch.Tensor, rois: torch.Tensor) -> None:
    if maps.dim() != 4 or rois.dim() != 2 or rois.shape[1] != 4 or maps.shape[0] != rois.shape[0]:
        raise ValueError(
            "heatmaps_to_keypoints: maps must be (R, K, H, W) and rois (R, 4), "
            f"got {tuple(maps.shape)} and {tuple(rois.shape)}"
        )


@torch.jit.script_if_tracing
def _highest_points(maps: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
    """The loop of `heatmaps_to_keypoints`; it stays one in a traced graph, whatever the number of boxes."""
    found = maps.new_zeros(maps.shape[0], maps.shape[1], 4)
    sides = (rois[:, 2:] - rois[:, :2]).clamp(min=1)  # (R, 2)
    pixels = sides.ceil().to(torch.int64).cpu()
    for i in range(maps.shape[0]):
        width, height = int(pixels[i, 0]), int(pixels[i, 1])
        enlarged = F.interpolate(maps[i : i + 1], size=[height, width], mode="bicubic", align_corners=False)[0]
        logit, position = enlarged.flatten(1).max(dim=1)  # (K,)
        cell = torch.stack([position % width, torch.div(position, width, rounding_mode="floor")], dim=1)  # (K, 2)
        stretch = sides[i] / sides[i].ceil()
        found[i, :, :2] = (cell + 0.5) * stretch + rois[i, :2]
        found[i, :, 2] = logit
        found[i, :, 3] = 1 / (maps[i].flatten(1) - logit[:, None]).exp().sum(dim=1)
    return found


register_tensor_holder(Keypoints)
