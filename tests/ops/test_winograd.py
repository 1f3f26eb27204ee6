"""Winograd's convolution compared with a direct convolution in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from detectory.ops import winograd_conv2d, winograd_weight


def problem(batch=2, channels=20, out_channels=36, height=9, width=10):
    input = torch.randn(batch, channels, height, width)
    weight = torch.randn(out_channels, channels, 3, 3) / (3 * max(channels, 1) ** 0.5)
    return input, weight, torch.randn(out_channels)


def convolve(input, weight, bias, relu=False):
    return winograd_conv2d(input, winograd_weight(weight), bias, len(weight), relu)


def slow_convolution(input, weight, bias):
    return F.conv2d(input.double(), weight.double(), None if bias is None else bias.double(), padding=1)


SIZES = st.tuples(*[st.integers(0, 3), st.integers(1, 40), st.integers(1, 70), st.integers(1, 14), st.integers(1, 14)])


@settings(max_examples=60)
@given(SIZES)
def test_agrees_with_a_direct_convolution(sizes):
    values = problem(*sizes)
    result, expected = convolve(*values), slow_convolution(*values)
    assert result.shape == expected.shape
    torch.testing.assert_close(result.double(), expected, atol=5e-5, rtol=5e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_accepts_both_layouts_and_returns_channels_last(layout):
    input, weight, bias = problem()
    result = convolve(input.contiguous(memory_format=layout), weight, bias)
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result.double(), slow_convolution(input, weight, bias), atol=5e-5, rtol=5e-5)


def test_accepts_strided_views():
    input, weight, bias = problem(channels=20, height=9, width=20)
    view = input[:, ::2, :, 1::2]
    result, expected = convolve(view, weight[:, ::2], bias), slow_convolution(view, weight[:, ::2], bias)
    torch.testing.assert_close(result.double(), expected, atol=5e-5, rtol=5e-5)


def test_bfloat16_error_is_bounded_by_rounding():
    input, weight, bias = problem(channels=64)
    input = input.bfloat16()
    result, expected = convolve(input, weight, bias.bfloat16()), slow_convolution(input, weight, bias.bfloat16())
    assert result.dtype == torch.bfloat16
    torch.testing.assert_close(result.double(), expected, atol=1e-4, rtol=2**-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_relu_clamps_negative_results(dtype):
    input, weight, bias = problem()
    result = convolve(input.to(dtype), weight, bias, relu=True)
    assert torch.equal(result, convolve(input.to(dtype), weight, bias).relu())


def test_empty_images_yield_empty_outputs():
    assert convolve(*problem(height=0)).shape == (2, 36, 0, 10)


def test_works_without_a_bias():
    input, weight, _ = problem()
    expected = slow_convolution(input, weight, None)
    torch.testing.assert_close(convolve(input, weight, None).double(), expected, atol=5e-5, rtol=5e-5)


def test_result_does_not_depend_on_batch_or_threads():
    input, weight, bias = problem(batch=3, height=40, width=50)
    result, threads = convolve(input, weight, bias), torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert torch.equal(result, convolve(input, weight, bias))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(result[1:2], convolve(input[1:2], weight, bias))


@pytest.mark.parametrize("relu", [False, True])
def test_nan_propagates_to_neighbouring_tiles_only(relu):
    input, weight, bias = problem(height=16, width=16)
    input[0, 3, 8, 8] = torch.nan
    result = convolve(input, weight, bias, relu)
    assert result[0, :, 7:10, 7:10].isnan().all()
    assert result[1].isfinite().all()
    assert result[0, :, :4, :4].isfinite().all()


def test_passes_opcheck():
    input, weight, bias = problem(channels=3, out_channels=4, height=5)
    torch.library.opcheck(torch.ops.detectory.winograd_conv2d, (input, winograd_weight(weight), bias, 4, True))


def test_compiles_into_one_graph(compiles):
    input, weight, bias = problem()
    packed = winograd_weight(weight)
    compiles(lambda x: winograd_conv2d(x, packed, bias, 36), input)


def test_exports_with_a_dynamic_batch_size(exports):
    _, weight, bias = problem()
    packed, batch = winograd_weight(weight), torch.export.Dim("B")
    inputs = [(problem(batch=count)[0],) for count in (2, 3)]
    exports(lambda x: winograd_conv2d(x, packed, bias, 36), *inputs, [{0: batch}])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"input": torch.rand(1, 3, 4, 4).half()}, TypeError, "input must be float32 or bfloat16, got torch.float16"),
        ({"weight": winograd_weight(torch.rand(4, 3, 3, 3)).double()}, TypeError, "weight must be the float32 output"),
        ({"out_channels": 33}, ValueError, r"weight must have shape \(36, 2, 16, 32\) for 3 channels"),
        ({"input": torch.rand(1, 17, 4, 4)}, ValueError, r"weight must have shape \(36, 1, 32, 32\) for 17 channels"),
        ({"weight": torch.rand(30, 1, 16, 32)}, ValueError, r"weight must have shape \(36, panels, C, 32\)"),
        ({"bias": torch.rand(5)}, ValueError, r"bias must have one entry per output channel \(4\), got 5"),
        ({"input": torch.rand(1, 3, 4, 4, requires_grad=True)}, RuntimeError, "not differentiable"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_rejects_invalid_arguments(change, error, message):
    fitting = {"input": torch.rand(1, 3, 4, 4), "weight": winograd_weight(torch.rand(4, 3, 3, 3))}
    with pytest.raises(error, match=rf"^winograd_conv2d: {message}"):
        winograd_conv2d(**(fitting | {"bias": torch.rand(4), "out_channels": 4} | change))


def test_rejects_weights_of_a_different_kernel_size_or_device():
    with pytest.raises(ValueError, match=r"^winograd_weight: weight must have shape \(OC, C, 3, 3\), got"):
        winograd_weight(torch.rand(4, 3, 1, 1))
    with pytest.raises(ValueError, match=r"^winograd_weight: weight must be on the CPU, got meta"):
        winograd_weight(torch.rand(4, 3, 3, 3, device="meta"))
