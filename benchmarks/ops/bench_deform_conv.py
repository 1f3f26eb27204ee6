"""Deformable convolution v2, 256 channels, 3 x 3, on two maps of 50 x 68."""

import pytest
import torch
import torchvision

from detectory.ops import deform_conv2d

IMPLEMENTATIONS = {"detectory": deform_conv2d, "torchvision": torchvision.ops.deform_conv2d}


@pytest.fixture(scope="module")
def case():
    generator = torch.Generator().manual_seed(0)
    input, offset = (torch.randn(2, c, 50, 68, generator=generator) for c in (256, 18))
    weight, mask = torch.randn(256, 256, 3, 3, generator=generator) / 48, torch.rand(2, 9, 50, 68, generator=generator)
    return [tensor.requires_grad_() for tensor in (input, offset, weight, mask)]


def run(function, input, offset, weight, mask):
    return function(input, offset, weight, None, (1, 1), (1, 1), (1, 1), mask)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_forward(benchmark, case, implementation):
    benchmark.group = "deform_conv2d 2 x 256 x 50 x 68, forward"
    with torch.no_grad():
        result = benchmark(run, IMPLEMENTATIONS[implementation], *case)
        torch.testing.assert_close(result, run(torchvision.ops.deform_conv2d, *case), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_forward_and_backward(benchmark, case, implementation):
    benchmark.group = "deform_conv2d 2 x 256 x 50 x 68, forward + backward"

    def step(function):
        return torch.autograd.grad(run(function, *case).sum(), case)

    result = benchmark(step, IMPLEMENTATIONS[implementation])
    torch.testing.assert_close(result, step(torchvision.ops.deform_conv2d), atol=1e-2, rtol=1e-2)
