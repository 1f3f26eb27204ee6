"""Run-length encoding of 100 masks of 800 x 1200 pixels: wavy ellipses of all sizes, or noise as the worst case."""

import faster_coco_eval.core.mask
import hotcoco
import numpy as np
import pycocotools.mask
import pytest
import torch
from benchmarks.ops.inputs import blobs

from detectory import ops

PEERS = {
    "pycocotools": pycocotools.mask,
    "hotcoco": hotcoco.mask,
    "faster-coco-eval": faster_coco_eval.core.mask,
}
IMPLEMENTATIONS = ["detectory", *PEERS]


@pytest.fixture(scope="module")
def masks():
    return {"blobs": blobs(100, 800, 1200), "noise": torch.rand(100, 200, 300) < 0.5}


def fortran(masks):
    """Convert masks to the layout of the other libraries, outside the timed call."""
    return np.asfortranarray(masks.numpy().transpose(1, 2, 0).astype(np.uint8))


@pytest.mark.parametrize("content", ["blobs", "noise"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_encode(benchmark, masks, implementation, content):
    pixels = masks[content]
    benchmark.group = f"rle_encode {' x '.join(map(str, pixels.shape))} {content}"
    expected = pycocotools.mask.encode(fortran(pixels))
    if implementation == "detectory":
        result = benchmark(ops.rle_encode, pixels)
    else:
        result = benchmark(PEERS[implementation].encode, fortran(pixels))
    assert [rle["counts"] for rle in result] == [rle["counts"] for rle in expected]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_decode(benchmark, masks, implementation):
    benchmark.group = "rle_decode 100 x 800 x 1200 blobs"
    rles = ops.rle_encode(masks["blobs"])
    if implementation == "detectory":
        assert torch.equal(benchmark(ops.rle_decode, rles), masks["blobs"])
    else:
        result = benchmark(PEERS[implementation].decode, rles)
        assert np.array_equal(result.astype(bool), fortran(masks["blobs"]))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_iou(benchmark, masks, implementation):
    benchmark.group = "rle_iou 100 x 100"
    rles = ops.rle_encode(masks["blobs"])
    shifted = ops.rle_encode(masks["blobs"].roll((13, 29), (1, 2)))
    crowd = [index % 10 == 0 for index in range(100)]
    function = ops.rle_iou if implementation == "detectory" else PEERS[implementation].iou
    result = benchmark(function, rles, shifted, crowd)
    assert np.array_equal(np.asarray(result), pycocotools.mask.iou(rles, shifted, crowd))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_merge(benchmark, masks, implementation):
    benchmark.group = "rle_merge 100"
    rles = ops.rle_encode(masks["blobs"])
    function = ops.rle_merge if implementation == "detectory" else PEERS[implementation].merge
    assert benchmark(function, rles)["counts"] == pycocotools.mask.merge(rles)["counts"]
