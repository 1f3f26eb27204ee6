"""Gradients of convolutions that use two memory layouts, and the rule that selects them."""

import pytest
import torch
from torch.nn import functional as F

from detectory.modeling.layers import Conv2d
from detectory.modeling.layers.weight_gradient import ConvolutionForTraining, prefers_default_layout


@pytest.fixture
def avx2(monkeypatch) -> None:
    monkeypatch.setattr("detectory.modeling.layers.weight_gradient.has_avx2_only", lambda: True)


def channels_last_map(channels: int = 32, height: int = 40, width: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, channels, height, width, generator=generator)
    return x.to(memory_format=torch.channels_last).requires_grad_()


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("has_bias", [True, False], ids=["bias", "no bias"])
def test_gradients_equal_those_of_one_layout(avx2, stride, dilation, has_bias):
    layer = Conv2d(32, 48, 3, stride=stride, padding=dilation, dilation=dilation, bias=has_bias)
    layer.to(memory_format=torch.channels_last)
    x = channels_last_map(height=60, width=60)
    y = layer(x)
    assert type(y.grad_fn).__name__.startswith("ConvolutionForTraining")
    grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    parameters = [x, *layer.parameters()]
    expected = F.conv2d(x, layer.weight, layer.bias, stride, dilation, dilation)
    for ours, reference in zip(
        torch.autograd.grad(y, parameters, grad), torch.autograd.grad(expected, parameters, grad), strict=True
    ):
        torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-3)


def test_gradcheck_passes_twice():
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def convolve(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return ConvolutionForTraining.apply(x, weight, bias, (1, 1), (1, 1), (1, 1), 1)

    assert torch.autograd.gradcheck(convolve, (x, weight, bias))
    assert torch.autograd.gradgradcheck(convolve, (x, weight, bias))


@pytest.mark.parametrize(
    ("channels", "kernel", "size", "groups"),
    [(16, 3, 40, 1), (32, 1, 40, 1), (32, 3, 20, 1), (32, 3, 40, 32)],
    ids=["few channels", "one pixel", "small map", "grouped"],
)
def test_the_usual_gradient_serves_where_it_is_as_fast(avx2, channels, kernel, size, groups):
    x = channels_last_map(channels, size, size)
    weight = torch.zeros(8, channels // groups, kernel, kernel, requires_grad=True)
    assert not prefers_default_layout(x, weight, (1, 1), groups)


def test_frozen_weights_and_inference_use_the_usual_gradient(avx2):
    x, weight = channels_last_map(), torch.zeros(8, 32, 3, 3)
    assert not prefers_default_layout(x, weight, (1, 1), 1)
    with torch.no_grad():
        assert not prefers_default_layout(x, weight.requires_grad_(), (1, 1), 1)


def test_avx512_uses_the_usual_gradient(monkeypatch):
    monkeypatch.setattr("detectory.modeling.layers.weight_gradient.has_avx2_only", lambda: False)
    assert not prefers_default_layout(channels_last_map(), torch.zeros(8, 32, 3, 3, requires_grad=True), (1, 1), 1)


def test_a_recorded_graph_has_the_plain_convolution(avx2):
    layer = Conv2d(32, 32, 3, padding=1)
    exported = torch.export.export(layer, (channels_last_map().detach(),))
    assert "conv2d" in str(exported.graph)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 4)])
def test_strided_convolutions_of_single_pixels_have_defined_gradients_in_bfloat16(size):
    torch.manual_seed(0)
    x = torch.randn(1, 64, *size).to(memory_format=torch.channels_last)
    for _ in range(10):
        conv, reference = Conv2d(64, 64, 3, 2, 1), torch.nn.Conv2d(64, 64, 3, 2, 1)
        reference.load_state_dict(conv.state_dict())
        torch.full((64 * 64 * 9,), float("nan"), dtype=torch.bfloat16)  # freed memory that a gradient may reuse
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = conv(x)
        assert result.dtype == torch.bfloat16
        result.float().sum().backward()
        reference(x).sum().backward()
        assert torch.allclose(conv.weight.grad, reference.weight.grad, atol=1e-2)
