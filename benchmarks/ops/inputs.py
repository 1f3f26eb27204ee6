"""Shared inputs of the benchmarks, identical in every process."""

import numpy as np
import torch


def seeded(seed: int = 0) -> torch.Generator:
    """Return a generator with a fixed seed."""
    return torch.Generator().manual_seed(seed)


def upright(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return boxes in an image of 1333 x 800, 80 classes and distinct scores (torchvision does not order ties)."""
    generator = seeded()
    boxes = torch.rand(count, 4, generator=generator) * torch.tensor([1333, 800, 150, 150])
    boxes[:, 2:] += boxes[:, :2]
    scores = torch.randperm(count, generator=generator) / count
    return boxes, scores, torch.randint(80, (count,), generator=generator)


def rotated(count: int) -> torch.Tensor:
    """Return rotated boxes of all angles in an image of 1000 x 1000."""
    low, sides = torch.tensor([0, 0, 5, 5, -180.0]), torch.tensor([1000, 1000, 100, 100, 360.0])
    return low + torch.rand(count, 5, generator=seeded(count)) * sides


def regions_of(width: int, height: int, scale: float, side: float) -> torch.Tensor:
    """Return 512 regions in two images with feature maps of the given size: (512, 5) batch index and corners."""
    rois = torch.rand(512, 5, generator=seeded(1))
    rois *= torch.tensor([2, 0.8 * width / scale, 0.8 * height / scale, side, side])
    rois[:, 0] = rois[:, 0].floor()
    rois[:, 3:] += rois[:, 1:3] + 16
    return rois


def turned(rois: torch.Tensor) -> torch.Tensor:
    """Return the regions rotated around their centres: (R, 6) batch index, centre, sides and degrees."""
    sides = rois[:, 3:] - rois[:, 1:3]
    return torch.cat([rois[:, :1], rois[:, 1:3] + sides / 2, sides, 360 * torch.rand(len(rois), 1)], 1)


def blobs(count: int, height: int, width: int) -> torch.Tensor:
    """Return masks of ellipses of all sizes with wavy outlines: (N, H, W) bool."""
    centre, radius, waves = torch.rand(3, count, 2, 1, 1, generator=seeded())
    y = (torch.arange(height).view(1, -1, 1) / height - centre[:, 0]) / (0.03 + radius[:, 0] / 3)
    x = (torch.arange(width).view(1, 1, -1) / width - centre[:, 1]) / (0.03 + radius[:, 1] / 3)
    angle = torch.atan2(y, x)
    return (y**2 + x**2).sqrt() < 0.8 + 0.2 * torch.sin(angle * (3 + 20 * waves[:, 0]))


def predicted_masks(count: int = 100) -> tuple[torch.Tensor, torch.Tensor]:
    """Return masks (N, 28, 28) with smooth blobs, as a network predicts them, and boxes in 1200 x 800 pixels."""
    generator = seeded()
    coarse = torch.rand(count, 1, 5, 5, generator=generator)
    masks = torch.nn.functional.interpolate(coarse, (28, 28), mode="bicubic", align_corners=False)[:, 0].clamp(0, 1)
    centre = torch.rand(count, 2, generator=generator) * torch.tensor([1200.0, 800.0])
    extent = 16 * 30 ** torch.rand(count, 2, generator=generator)
    return masks, torch.cat([centre - extent / 2, centre + extent / 2], 1)


def outlines(count: int, extent: float) -> list[list[np.ndarray]]:
    """Return objects with one polygon of 40 vertices each, distributed over an image."""
    draw = np.random.default_rng(0)
    angles = np.sort(draw.random((count, 40)) * 2 * np.pi, axis=1)
    radius = extent * (0.05 + draw.random((count, 1)) / 4) * (0.7 + draw.random((count, 40)) * 0.6)
    centre = draw.random((count, 2, 1)) * extent
    x, y = centre[:, 0] + radius * np.cos(angles), centre[:, 1] + radius * np.sin(angles)
    return [[np.stack(points, 1).reshape(-1)] for points in zip(x, y, strict=True)]


def attention() -> tuple[torch.Tensor, ...]:
    """Return inputs of Deformable DETR's encoder: four levels of an 800 x 1066 image, 8 heads, 4 points per level."""
    shapes = torch.tensor([[100, 134], [50, 67], [25, 34], [13, 17]])
    areas = shapes.prod(1)
    starts, queries = torch.cat([areas.new_zeros(1), areas.cumsum(0)[:-1]]), int(areas.sum())
    generator = seeded()
    value = torch.randn(1, queries, 8, 32, generator=generator)
    locations = torch.rand(1, queries, 8, 4, 4, 2, generator=generator)
    weights = torch.rand(1, queries, 8, 4, 4, generator=generator) / 16
    return value, shapes, starts, locations, weights
