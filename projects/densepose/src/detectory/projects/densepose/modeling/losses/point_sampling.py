"""Values of predicted maps at annotated points, and annotations resampled to the box of a proposal."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.projects.densepose.structures.annotation import MASK_SIZE

from .matched_annotations import PackedAnnotations


@dataclass
class PointSampler:
    """Bilinear interpolation of maps `(R, C, S, S)` at annotated points.

    Attributes:
        region: `(P,)` index of the map of each point.
        is_inside: `(P,)` bool, whether the point is inside the box of its proposal; other values have no meaning.
        corners: Row, column and weight, each `(P,)`, of the four cells around each point.
    """

    region: Tensor
    is_inside: Tensor
    corners: list[tuple[Tensor, Tensor, Tensor]]

    def sample(self, maps: Tensor, channels: Tensor | None = None) -> Tensor:
        """Interpolate.

        Args:
            maps: `(R, C, S, S)`.
            channels: `(P,)` channel to read at each point; `None` for all channels.

        Returns:
            `(P,)`, or `(P, C)` for all channels.
        """
        total = None
        for row, column, weight in self.corners:
            if channels is None:
                value = maps[self.region, :, row, column] * weight[:, None]
            else:
                value = maps[self.region, channels, row, column] * weight
            total = value if total is None else total + value
        assert total is not None
        return total


def point_sampler(annotations: PackedAnnotations, height: int, width: int) -> PointSampler:
    """Return the sampler of the annotated points in maps of `height x width` cells that cover the proposals."""
    gt = annotations.bbox_xywh_gt[annotations.point_annotation]
    est = annotations.bbox_xywh_est[annotations.point_annotation]
    inside_x, left, right, weight_x = _cells(annotations.x, gt[:, 0], gt[:, 2], est[:, 0], est[:, 2], width)
    inside_y, top, bottom, weight_y = _cells(annotations.y, gt[:, 1], gt[:, 3], est[:, 1], est[:, 3], height)
    corners = [
        (top, left, (1 - weight_x) * (1 - weight_y)),
        (top, right, weight_x * (1 - weight_y)),
        (bottom, left, (1 - weight_x) * weight_y),
        (bottom, right, weight_x * weight_y),
    ]
    return PointSampler(annotations.point_region, inside_x & inside_y, corners)


def _cells(
    at: Tensor, gt_start: Tensor, gt_size: Tensor, est_start: Tensor, est_size: Tensor, cells: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return whether coordinates are inside the proposal, the two cells around them and the weight of the second."""
    offset = gt_start + at * gt_size / MASK_SIZE - est_start
    is_inside = (offset >= 0) & (offset < est_size)
    position = offset * cells / est_size
    low = position.floor().long().clamp(0, cells - 1)
    high = (low + 1).clamp(max=cells - 1)
    return is_inside, low, high, torch.minimum(position, high.to(position.dtype)) - low


def resample_to_boxes(
    masks: Tensor, boxes_from: Tensor, boxes_to: Tensor, height: int, width: int, mode: str = "nearest"
) -> Tensor:
    """Resample masks that cover one set of boxes to another set of boxes.

    Args:
        masks: `(A, C, H, W)`.
        boxes_from: `(A, 4)` boxes `(x, y, width, height)` that the masks cover.
        boxes_to: `(A, 4)` boxes of the result.
        height: Rows of the result.
        width: Columns of the result.
        mode: `"nearest"` or `"bilinear"`.

    Returns:
        `(A, C, height, width)`; 0 outside `boxes_from`.
    """
    start = 2 * (boxes_to[:, :2] - boxes_from[:, :2]) / boxes_from[:, 2:] - 1  # in [-1, 1] inside boxes_from
    end = 2 * (boxes_to[:, :2] + boxes_to[:, 2:] - boxes_from[:, :2]) / boxes_from[:, 2:] - 1
    # The left and upper edges of the cells, not their centers, as in the published models.
    rows, columns = (torch.arange(n, device=masks.device, dtype=masks.dtype) / n for n in (height, width))
    x = columns * (end - start)[:, :1] + start[:, :1]  # (A, width)
    y = rows * (end - start)[:, 1:] + start[:, 1:]
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=3)
    return F.grid_sample(masks, grid, mode=mode, padding_mode="zeros", align_corners=True)
