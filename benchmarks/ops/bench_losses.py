"""Focal loss of a batch: 200,000 anchors, 80 classes."""

import pytest
import torch
import torchvision

from detectory.ops import sigmoid_focal_loss

IMPLEMENTATIONS = {"detectory": sigmoid_focal_loss, "torchvision": torchvision.ops.sigmoid_focal_loss}


@pytest.fixture(scope="module")
def case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200_000, 80, generator=generator) - 4
    return logits, (torch.rand(logits.shape, generator=generator) < 0.001).float()


@pytest.mark.parametrize("reduction", ["none", "sum"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_forward(benchmark, case, implementation, reduction):
    benchmark.group = f"sigmoid_focal_loss 200,000 x 80, {reduction}, forward"
    logits, targets = case
    result = benchmark(IMPLEMENTATIONS[implementation], logits, targets, reduction=reduction)
    expected = torchvision.ops.sigmoid_focal_loss(logits, targets, reduction=reduction)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("reduction", ["none", "sum"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_forward_and_backward(benchmark, case, implementation, reduction):
    benchmark.group = f"sigmoid_focal_loss 200,000 x 80, {reduction}, forward + backward"
    logits, targets = case[0].clone().requires_grad_(), case[1]

    def step():
        logits.grad = None
        IMPLEMENTATIONS[implementation](logits, targets, reduction=reduction).sum().backward()
        return logits.grad

    result = benchmark(step)
    (expected,) = torch.autograd.grad(torchvision.ops.sigmoid_focal_loss(logits, targets).sum(), logits)
    torch.testing.assert_close(result, expected, rtol=1e-3, atol=1e-6)
