"""Keypoints of the objects of one image, and conversions to and from the heatmaps of a keypoint head."""

import numpy as np
import torch
from torch.nn import functional as F

from ._pytree import register_tensor_holder
from ._tensor_rows import TensorRows
from .boxes import box_tensor


class Keypoints(TensorRows):
    """N objects with K keypoints `(x, y, visibility)` each, in pixels, continuous coordinates.

    Visibility follows COCO: 0 not labelled (x = y = 0), 1 labelled but hidden, 2 labelled and visible.

    Args:
        keypoints: Shape (N, K, 3), a tensor, an array or nested lists; converted to float32.

    Attributes:
        tensor: Float32, shape (N, K, 3).

    Raises:
        ValueError: If the shape is invalid.
    """

    def __init__(self, keypoints: torch.Tensor | np.ndarray | list[list[float]]) -> None:
        if not isinstance(keypoints, torch.Tensor):
            keypoints = torch.as_tensor(np.asarray(keypoints, dtype=np.float32))
        if keypoints.dim() != 3 or keypoints.shape[2] != 3:
            raise ValueError(f"Keypoints: keypoints must have shape (N, K, 3), got {tuple(keypoints.shape)}")
        super().__init__(keypoints.to(torch.float32))

    def to_heatmap(self, boxes: torch.Tensor, heatmap_size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the heatmap cell of each keypoint: the training targets of a keypoint head.

        A point on the right or bottom side of the box belongs to the last cell.

        Args:
            boxes: Shape (N, 4), one box per object, in pixels.
            heatmap_size: The number of cells along each side of the heatmap.

        Returns:
            The cell index `row * heatmap_size + column`, int64 of shape (N, K), 0 for invalid keypoints; and whether
            each keypoint is valid, that is labelled and inside the box, bool of shape (N, K).

        Source: He et al. 2017, "Mask R-CNN", section 5.
        """
        boxes = box_tensor("Keypoints.to_heatmap", boxes, len(self))
        points, visibility = self.tensor[..., :2], self.tensor[..., 2]
        start, end = boxes[:, None, :2], boxes[:, None, 2:]  # (N, 1, 2)
        cells = ((points - start) * (heatmap_size / (end - start))).floor().to(torch.int64)  # (N, K, 2)
        cells = torch.where(points == end, heatmap_size - 1, cells)
        valid = ((cells >= 0) & (cells < heatmap_size)).all(dim=2) & (visibility > 0)
        return torch.where(valid, cells[..., 1] * heatmap_size + cells[..., 0], 0), valid

    def __repr__(self) -> str:
        return f"Keypoints(num_instances={len(self)})"

    @staticmethod
    def cat(keypoints_list: list["Keypoints"]) -> "Keypoints":
        """Concatenate keypoints.

        Raises:
            ValueError: If the list is empty.
            TypeError: If an entry is not `Keypoints`.
        """
        return Keypoints._concatenate(keypoints_list)


def heatmaps_to_keypoints(maps: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
    """Locate the keypoints in predicted heatmaps.

    Each heatmap is resized to its box in pixels (bicubic). Its maximum at the pixel index `d` is returned as the
    continuous coordinate `d + 0.5`, the inverse of `Keypoints.to_heatmap`.

    Args:
        maps: Logits, shape (R, K, H, W).
        rois: Boxes in pixels, shape (R, 4); sides shorter than one pixel are treated as one pixel.

    Returns:
        Shape (R, K, 4): x, y, the logit at the maximum, and the score. The score is the softmax of the original heatmap
        with the maximum of the resized heatmap as numerator.

    Raises:
        ValueError: If the shapes are invalid or do not match.

    Source: Heckbert 1990, "What are the coordinates of a pixel?", for `c = d + 0.5`.
    """
    if not torch.jit.is_scripting():
        _check_shapes(maps, rois)
    with torch.no_grad():
        return _locate_maxima(maps, rois)


def _check_shapes(maps: torch.Tensor, rois: torch.Tensor) -> None:
    if maps.dim() != 4 or rois.dim() != 2 or rois.shape[1] != 4 or maps.shape[0] != rois.shape[0]:
        raise ValueError(
            "heatmaps_to_keypoints: maps must be (R, K, H, W) and rois (R, 4), "
            f"got {tuple(maps.shape)} and {tuple(rois.shape)}"
        )


@torch.jit.script_if_tracing
def _locate_maxima(maps: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
    """Loop over the boxes. Scripting keeps the loop in traced graphs, so that they accept any number of boxes."""
    keypoints = maps.new_zeros(maps.shape[0], maps.shape[1], 4)
    sides = (rois[:, 2:] - rois[:, :2]).clamp(min=1)  # (R, 2)
    pixels = sides.ceil().to(torch.int64).to(torch.device("cpu"))
    for i in range(maps.shape[0]):
        width, height = int(pixels[i, 0]), int(pixels[i, 1])
        resized = F.interpolate(maps[i : i + 1], size=[height, width], mode="bicubic", align_corners=False)[0]
        logit, position = resized.flatten(1).max(dim=1)  # (K,)
        cell = torch.stack([position % width, torch.div(position, width, rounding_mode="floor")], dim=1)  # (K, 2)
        # The heatmap has a whole number of pixels; this factor maps it back to the exact sides of the box.
        correction = sides[i] / sides[i].ceil()
        # The explicit type is for the ONNX exporter, which does not promote integers inside a scripted loop.
        keypoints[i, :, :2] = (cell.to(torch.float32) + 0.5) * correction + rois[i, :2]
        keypoints[i, :, 2] = logit
        keypoints[i, :, 3] = 1 / (maps[i].flatten(1) - logit[:, None]).exp().sum(dim=1)
    return keypoints


register_tensor_holder(Keypoints)
