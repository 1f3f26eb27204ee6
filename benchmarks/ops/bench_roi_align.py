"""RoIAlign of 512 regions, 256 channels, 7 x 7 bins, adaptive sampling."""

import pytest
import torch
import torchvision

from detectory.ops import roi_align

IMPLEMENTATIONS = {"detectory": roi_align, "torchvision": torchvision.ops.roi_align}
LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
MAPS = {"50 x 68": (50, 68, 1 / 16, 300), "200 x 272": (200, 272, 1 / 4, 100)}


@pytest.fixture(scope="module", params=MAPS)
def case(request):
    height, width, scale, side = MAPS[request.param]
    generator = torch.Generator().manual_seed(0)
    rois = torch.rand(512, 5, generator=generator)
    rois *= torch.tensor([2, 0.8 * width / scale, 0.8 * height / scale, side, side])
    rois[:, 0] = rois[:, 0].floor()
    rois[:, 3:] += rois[:, 1:3] + 16
    return request.param, torch.rand(2, 256, height, width, generator=generator), rois, scale


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_forward(benchmark, case, implementation, layout):
    name, input, rois, scale = case
    input = input.contiguous(memory_format=LAYOUTS[layout])
    benchmark.group = f"roi_align 512 regions of {name}, {layout}, forward"
    found = benchmark(IMPLEMENTATIONS[implementation], input, rois, 7, scale, 0, True)
    torch.testing.assert_close(found, torchvision.ops.roi_align(input, rois, 7, scale, 0, True), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_forward_and_backward(benchmark, case, implementation):
    name, input, rois, scale = case
    input = input.clone().requires_grad_()
    benchmark.group = f"roi_align 512 regions of {name}, NCHW, forward + backward"

    def step(function):
        return torch.autograd.grad(function(input, rois, 7, scale, 0, True).sum(), input)[0]

    found = benchmark(step, IMPLEMENTATIONS[implementation])
    torch.testing.assert_close(found, step(torchvision.ops.roi_align), atol=1e-3, rtol=1e-3)
