"""RoIAlign of 512 regions, 256 channels, 7 x 7 bins, adaptive sampling."""

import pytest
import torch
import torchvision
from benchmarks.ops.inputs import regions_of, seeded

from detectory.ops import roi_align

IMPLEMENTATIONS = {"detectory": roi_align, "torchvision": torchvision.ops.roi_align}
LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
MAPS = {"50 x 68": (50, 68, 1 / 16, 300), "200 x 272": (200, 272, 1 / 4, 100)}


@pytest.fixture(scope="module", params=MAPS)
def case(request):
    height, width, scale, side = MAPS[request.param]
    input = torch.rand(2, 256, height, width, generator=seeded())
    return request.param, input, regions_of(width, height, scale, side), scale


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_forward(benchmark, case, implementation, layout):
    name, input, rois, scale = case
    input = input.contiguous(memory_format=LAYOUTS[layout])
    benchmark.group = f"roi_align 512 regions of {name}, {layout}, forward"
    result = benchmark(IMPLEMENTATIONS[implementation], input, rois, 7, scale, 0, True)
    torch.testing.assert_close(result, torchvision.ops.roi_align(input, rois, 7, scale, 0, True), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_forward_and_backward(benchmark, case, implementation):
    name, input, rois, scale = case
    input = input.clone().requires_grad_()
    benchmark.group = f"roi_align 512 regions of {name}, NCHW, forward + backward"

    def step(function):
        return torch.autograd.grad(function(input, rois, 7, scale, 0, True).sum(), input)[0]

    result = benchmark(step, IMPLEMENTATIONS[implementation])
    torch.testing.assert_close(result, step(torchvision.ops.roi_align), atol=1e-3, rtol=1e-3)
