"""Conversion of ground-truth polygons to masks, run lengths and mask-loss targets."""

import numpy as np
import pycocotools.mask
import pytest
import torch
from benchmarks.ops.inputs import outlines

from detectory import ops


def peer_rle(polygons, height, width):
    return pycocotools.mask.merge(pycocotools.mask.frPyObjects([p.tolist() for p in polygons], height, width))


@pytest.mark.parametrize("implementation", ["detectory", "pycocotools"])
def test_to_mask(benchmark, implementation):
    benchmark.group = "polygons_to_mask 50 objects, 640 x 640"
    objects = outlines(50, 640)
    ours = lambda: [ops.polygons_to_mask(polygons, 640, 640) for polygons in objects]  # noqa: E731
    peer = lambda: [pycocotools.mask.decode(peer_rle(polygons, 640, 640)) for polygons in objects]  # noqa: E731
    result = benchmark(ours if implementation == "detectory" else peer)
    assert all(np.array_equal(np.asarray(one), other) for one, other in zip(result, peer(), strict=True))


@pytest.mark.parametrize("implementation", ["detectory", "pycocotools"])
def test_to_run_lengths(benchmark, implementation):
    benchmark.group = "polygons_to_rle 50 objects, 640 x 640"
    objects = outlines(50, 640)
    ours = lambda: ops.polygon_sets_to_rles(objects, [(640, 640)] * 50)  # noqa: E731
    peer = lambda: [peer_rle(polygons, 640, 640) for polygons in objects]  # noqa: E731
    assert benchmark(ours if implementation == "detectory" else peer) == peer()


def crops_by_pycocotools(objects, boxes, indices):
    """Shift, scale and rasterise polygons one by one, as Detectron2 does."""
    targets = []
    for index, box in zip(indices.tolist(), boxes.numpy(), strict=True):
        scale = 28 / np.maximum(box[2:] - box[:2], 0.1)
        moved = [((polygon.reshape(-1, 2) - box[:2]) * scale).reshape(-1) for polygon in objects[index]]
        targets.append(torch.from_numpy(pycocotools.mask.decode(peer_rle(moved, 28, 28)).astype(bool)))
    return torch.stack(targets)


@pytest.mark.parametrize("implementation", ["detectory", "pycocotools"])
def test_crops(benchmark, implementation):
    benchmark.group = "rasterize_polygons_within_boxes 128 boxes, 28 x 28"
    objects, indices = outlines(20, 640), torch.randint(20, (128,))
    centre = torch.tensor([polygons[0].reshape(-1, 2).mean(0).tolist() for polygons in objects], dtype=torch.float64)
    extent = 50 + 150 * torch.rand(128, 2, dtype=torch.float64)
    boxes = torch.cat([centre[indices] - extent, centre[indices] + extent], 1)
    if implementation == "detectory":
        result = benchmark(ops.rasterize_polygons_within_boxes, objects, boxes, 28, indices)
    else:
        result = benchmark(crops_by_pycocotools, objects, boxes, indices)
    assert torch.equal(result, crops_by_pycocotools(objects, boxes, indices))
