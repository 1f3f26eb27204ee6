"""Point sampling of features, on a regular grid or at uncertain locations.

Source: Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020, section 3.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from detectory import ops
from detectory.structures import BitMasks, Boxes, Instances, PolygonMasks

__all__ = [
    "generate_regular_grid_point_coords",
    "get_point_coords_wrt_image",
    "get_uncertain_point_coords_on_grid",
    "get_uncertain_point_coords_with_randomness",
    "point_sample",
    "point_sample_fine_grained_features",
    "sample_point_labels",
]


def point_sample(input: Tensor, point_coords: Tensor, **kwargs: Any) -> Tensor:
    """Sample feature maps at points; see `detectory.ops.point_sample`.

    Args:
        input: `(B, C, H, W)`.
        point_coords: `(B, P, 2)` or `(B, Hg, Wg, 2)`, normalized (x, y) in [0, 1].
        kwargs: `align_corners`.

    Returns:
        `(B, C, P)` or `(B, C, Hg, Wg)`.
    """
    return ops.point_sample(input, point_coords, **kwargs)


def generate_regular_grid_point_coords(R: int, side_size: int, device: torch.device | str) -> Tensor:
    """Return the cell centers of a `side_size` by `side_size` grid, `(R, side_size**2, 2)` in [0, 1]."""
    centers = (torch.arange(side_size, device=device, dtype=torch.float32) + 0.5) / side_size
    y, x = torch.meshgrid(centers, centers, indexing="ij")
    return torch.stack((x, y), dim=-1).reshape(1, -1, 2).repeat(R, 1, 1)


def get_point_coords_wrt_image(boxes_coords: Tensor, point_coords: Tensor) -> Tensor:
    """Convert box-normalized points to image coordinates.

    Args:
        boxes_coords: Boxes `(R, 4)`.
        point_coords: `(R, P, 2)`, in [0, 1] relative to each box.
    """
    corner, opposite = boxes_coords[:, None, :2], boxes_coords[:, None, 2:]  # (R, 1, 2)
    return point_coords * (opposite - corner) + corner


def get_uncertain_point_coords_on_grid(uncertainty_map: Tensor, num_points: int) -> tuple[Tensor, Tensor]:
    """Select the most uncertain cells of a map.

    Args:
        uncertainty_map: `(B, 1, H, W)`.
        num_points: Number of points, limited to the number of cells.

    Returns:
        Row-major cell indices `(B, P)`, and cell centers `(B, P, 2)`, normalized (x, y) in [0, 1].
    """
    height, width = uncertainty_map.shape[2:]
    indices = uncertainty_map.flatten(1).topk(min(height * width, num_points), dim=1).indices
    x = (indices % width + 0.5) / width
    y = (indices.div(width, rounding_mode="floor") + 0.5) / height
    return indices, torch.stack((x, y), dim=-1).to(torch.float32)


def get_uncertain_point_coords_with_randomness(
    coarse_logits: Tensor,
    uncertainty_func: Callable[[Tensor], Tensor],
    num_points: int,
    oversample_ratio: float,
    importance_sample_ratio: float,
) -> Tensor:
    """Sample training points: the most uncertain of many random candidates, and some uniformly random points.

    Args:
        coarse_logits: `(B, C, H, W)`, or `(B, 1, H, W)` if class-agnostic.
        uncertainty_func: Maps logits `(B, C, P)` to uncertainties `(B, 1, P)`.
        num_points: `P`.
        oversample_ratio: Number of candidates as a multiple of `P`.
        importance_sample_ratio: Fraction of points selected by uncertainty.

    Returns:
        `(B, P, 2)` in [0, 1].

    Raises:
        ValueError: If a ratio is out of range.
    """
    if oversample_ratio < 1 or not 0 <= importance_sample_ratio <= 1:
        raise ValueError(
            "get_uncertain_point_coords_with_randomness: oversample_ratio must be at least 1 and "
            f"importance_sample_ratio in [0, 1], got {oversample_ratio} and {importance_sample_ratio}"
        )
    batch = coarse_logits.shape[0]
    candidates = torch.rand(batch, int(num_points * oversample_ratio), 2, device=coarse_logits.device)
    # The uncertainty of sampled logits is used: sampled uncertainties would miss a boundary between two certain cells.
    uncertainty = uncertainty_func(point_sample(coarse_logits, candidates))
    count = int(importance_sample_ratio * num_points)
    best = uncertainty[:, 0].topk(count, dim=1).indices
    chosen = candidates.gather(1, best[:, :, None].expand(-1, -1, 2))
    random = torch.rand(batch, num_points - count, 2, device=coarse_logits.device)
    return torch.cat((chosen, random), dim=1)


def point_sample_fine_grained_features(
    features_list: Sequence[Tensor], feature_scales: Sequence[float], boxes: Sequence[Boxes], point_coords: Tensor
) -> tuple[Tensor, Tensor]:
    """Sample the feature maps of a batch at points of its boxes.

    Args:
        features_list: Feature maps `(B, C_i, H_i, W_i)`.
        feature_scales: Cells per image pixel of each feature map.
        boxes: Boxes per image, `R` in total.
        point_coords: `(R, P, 2)`, in [0, 1] relative to each box.

    Returns:
        `(R, sum of C_i, P)`, and the points in image coordinates `(R, P, 2)`.
    """
    counts = [x.tensor.shape[0] for x in boxes]
    in_image = get_point_coords_wrt_image(torch.cat([x.tensor for x in boxes]), point_coords)
    sampled = []
    for features, scale in zip(features_list, feature_scales, strict=True):
        height, width = features.shape[2], features.shape[3]  # tensors under torch.jit.trace
        in_map = torch.stack((in_image[..., 0] * scale / width, in_image[..., 1] * scale / height), dim=-1)
        parts = [
            point_sample(features[i : i + 1], points[None]).squeeze(0).transpose(0, 1)  # (R_i, C, P)
            for i, points in enumerate(in_map.split(counts))
        ]
        sampled.append(torch.cat([part.reshape(-1, features.shape[1], point_coords.shape[1]) for part in parts]))
    return torch.cat(sampled, dim=1), in_image


def sample_point_labels(instances: Sequence[Instances], point_coords: Tensor) -> Tensor:
    """Sample the ground-truth masks of a batch at points.

    Args:
        instances: Instances per image, with `gt_masks`, `R` in total.
        point_coords: `(R, P, 2)`, in pixels of the images.

    Returns:
        `(R, P)`, in [0, 1].
    """
    labels = []
    for x, own in zip(instances, point_coords.split([len(x) for x in instances]), strict=True):
        masks, (height, width) = x.gt_masks, x.image_size
        if isinstance(masks, PolygonMasks):
            masks = BitMasks.from_polygon_masks(masks, height, width)
        bits = masks.tensor.to(own)
        size = own.new_tensor([bits.shape[2], bits.shape[1]])
        labels.append(point_sample(bits[:, None], own / size)[:, 0])
    return torch.cat(labels)
