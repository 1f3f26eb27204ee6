"""NMS of 100 to 10,000 boxes: one class, and 80 classes in one call."""

import pytest
import torch
import torchvision
from benchmarks.ops.inputs import upright

from detectory.ops import batched_nms, nms

NMS = {"detectory": nms, "torchvision": torchvision.ops.nms}
BATCHED = {"detectory": batched_nms, "torchvision": torchvision.ops.batched_nms}


@pytest.fixture(scope="module", params=[100, 1_000, 10_000], ids="{:,}".format)
def case(request):
    return upright(request.param)


@pytest.mark.parametrize("implementation", NMS)
def test_nms(benchmark, case, implementation):
    boxes, scores, _ = case
    benchmark.group = f"nms {len(boxes):,} boxes"
    result = benchmark(NMS[implementation], boxes, scores, 0.5)
    assert torch.equal(result, torchvision.ops.nms(boxes, scores, 0.5))


@pytest.mark.parametrize("implementation", BATCHED)
def test_batched_nms(benchmark, case, implementation):
    boxes, scores, idxs = case
    benchmark.group = f"batched_nms {len(boxes):,} boxes, 80 classes"
    result = benchmark(BATCHED[implementation], boxes, scores, idxs, 0.5)
    assert torch.equal(result, batched_nms(boxes.double(), scores, idxs, 0.5))
