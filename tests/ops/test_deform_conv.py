"""Deformable convolution compared with a loop over taps and, for zero offsets, with an ordinary convolution."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectory.ops import deform_conv2d

#: Difference between two backward passes: a GPU adds the gradients of a pixel in any order.
ATOMIC = 1e-10


CONFIGURATIONS = {
    "plain": {},
    "stride-2": {"stride": 2},
    "padding-dilation": {"padding": (1, 2), "dilation": (2, 1)},
    "groups": {"groups": 2},
    "offset-groups": {"offset_groups": 3},
    "both-groups": {"groups": 2, "offset_groups": 3},
}


def pixel(plane, y, x):
    return plane[y, x] if 0 <= y < plane.shape[0] and 0 <= x < plane.shape[1] else plane.new_zeros(())


def bilinear(plane, y, x):
    if not (-1 < y < plane.shape[0] and -1 < x < plane.shape[1]):
        return plane.new_zeros(())
    top, left = int(torch.floor(y)), int(torch.floor(x))
    fy, fx = y - top, x - left
    upper = (1 - fx) * pixel(plane, top, left) + fx * pixel(plane, top, left + 1)
    lower = (1 - fx) * pixel(plane, top + 1, left) + fx * pixel(plane, top + 1, left + 1)
    return (1 - fy) * upper + fy * lower


def slow_deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask):
    (channels, per_group, height, width), taps = weight.shape, weight.shape[2] * weight.shape[3]
    groups, offset_groups = input.shape[1] // per_group, offset.shape[1] // (2 * taps)
    out = bias.view(1, -1, 1, 1).repeat(input.shape[0], 1, *offset.shape[2:])
    for b, o, y, x in torch.cartesian_prod(*map(torch.arange, out.shape)).tolist():
        for c, i, j in torch.cartesian_prod(*map(torch.arange, (per_group, height, width))).tolist():
            source = o // (channels // groups) * per_group + c
            plane = source // (input.shape[1] // offset_groups) * taps + i * width + j
            at_y = y * stride[0] - padding[0] + i * dilation[0] + offset[b, 2 * plane, y, x]
            at_x = x * stride[1] - padding[1] + j * dilation[1] + offset[b, 2 * plane + 1, y, x]
            scale = 1 if mask is None else mask[b, plane, y, x]
            out[b, o, y, x] += weight[o, c, i, j] * scale * bilinear(input[b, source], at_y, at_x)
    return out


def pair(value):
    return (value, value) if isinstance(value, int) else value


def problem(stride=1, padding=0, dilation=1, groups=1, offset_groups=1, masked=True, channels=6, size=(4, 5)):
    steps = pair(stride), pair(padding), pair(dilation)
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, s, p, d, k in zip(size, *steps, (3, 2), strict=True)]
    input, weight = torch.randn(2, channels, *size).double(), torch.randn(4, channels // groups, 3, 2).double()
    offset = torch.randn(2, 12 * offset_groups, *out).double() * 2
    mask = torch.rand(2, 6 * offset_groups, *out).double() if masked else None
    return (input, offset, weight, torch.randn(4).double()), (*steps, mask)


@pytest.mark.parametrize("masked", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_agrees_with_a_loop_over_taps(device, configuration, masked):
    tensors, steps = problem(**configuration, masked=masked)
    result = deform_conv2d(*(t.to(device) for t in tensors), *steps[:3], None if not masked else steps[3].to(device))
    torch.testing.assert_close(result.cpu(), slow_deform_conv2d(*tensors, *steps))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_without_offsets_equals_a_convolution(device, dtype, layout):
    input, weight = torch.randn(2, 33, 40, 30, device=device), torch.randn(8, 33, 3, 3, device=device) / 17
    input = input.to(dtype).contiguous(memory_format=layout)
    offset, weight = torch.zeros(2, 18, 40, 30, device=device, dtype=dtype), weight.to(dtype)
    expected = torch.nn.functional.conv2d(input.double(), weight.double(), padding=1)
    tolerance = {torch.float16: 2e-3, torch.bfloat16: 2e-2}.get(dtype, 1e-4)
    result = deform_conv2d(input, offset, weight, padding=1)
    assert result.dtype == dtype
    torch.testing.assert_close(result.double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("masked", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_gradients_agree_with_finite_differences(device, configuration, masked):
    (input, offset, weight, bias), (*steps, mask) = problem(**configuration, masked=masked, size=(4, 3))
    tensors = [t.to(device).requires_grad_() for t in (input, offset, weight, bias, *([mask] if masked else []))]

    def run(input, offset, weight, bias, mask=None):
        return deform_conv2d(input, offset, weight, bias, *steps, mask)

    torch.autograd.gradcheck(run, tensors, fast_mode=True, nondet_tol=ATOMIC)


def test_many_output_pixels_agree_with_single_images(device):
    input, offset = torch.randn(2, 64, 90, 80, device=device), torch.randn(2, 18, 90, 80, device=device)
    weight = torch.randn(5, 64, 3, 3, device=device)
    alone = [deform_conv2d(x[None], o[None], weight, padding=1) for x, o in zip(input, offset, strict=True)]
    torch.testing.assert_close(deform_conv2d(input, offset, weight, padding=1), torch.cat(alone))


@pytest.mark.parametrize("shape", [(0, 6, 5, 6), (1, 6, 5, 6), (3, 6, 5, 6)], ids=str)
def test_any_batch_keeps_its_shape(device, shape):
    offset, weight = torch.zeros(shape[0], 12, 3, 5, device=device), torch.zeros(4, 6, 3, 2, device=device)
    assert deform_conv2d(torch.zeros(shape, device=device), offset, weight).shape == (shape[0], 4, 3, 5)


@settings(max_examples=30)
@given(value=st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e30, -1e30, -1.0, 1e9]))
def test_samples_far_outside_are_zero(value):
    input, weight = torch.ones(1, 2, 4, 4), torch.ones(1, 2, 1, 1)
    offset = torch.full((1, 2, 4, 4), value)
    offset[0, :, 2, 2] = 0
    expected = 2.0 * (torch.arange(16) == 10).view(1, 1, 4, 4)
    if value == -1.0:
        expected[..., 1:, 1:] = 2.0
    torch.testing.assert_close(deform_conv2d(input, offset, weight), expected.float())


@pytest.mark.parametrize("masked", [False, True], ids=["v1", "v2"])
def test_passes_opcheck(device, masked):
    (input, offset, weight, _), (*_, mask) = problem(masked=masked)
    tensors = [t.to(device).requires_grad_() for t in (input, offset, weight)]
    mask = mask.to(device).requires_grad_() if masked else None
    torch.library.opcheck(torch.ops.detectory.deform_conv2d.default, (*tensors, mask, 1, 1, 0, 0, 1, 1))


def test_compiles_forward_and_backward(device, compiles):
    (input, offset, weight, _), _ = problem(masked=False)
    compiles(lambda x, o, w: deform_conv2d(x, o, w), *(t.to(device).requires_grad_() for t in (input, offset, weight)))


def test_exports_with_a_dynamic_batch_size(device, exports):
    weight = torch.randn(4, 6, 3, 2, device=device)
    inputs = [(torch.randn(b, 6, 5, 6, device=device), torch.randn(b, 12, 3, 5, device=device)) for b in (2, 3)]
    batch = torch.export.Dim("batch")
    exports(lambda x, o: deform_conv2d(x, o, weight), *inputs, [{0: batch}] * 2)


def test_autocast_computes_in_float32(device):
    (input, offset, weight, _), _ = problem(masked=False)
    with torch.autocast(device.type, torch.bfloat16):
        result = deform_conv2d(input.to(device).bfloat16(), offset.to(device).float(), weight.to(device).float())
    assert result.dtype == torch.float32


X, OFFSET, W = torch.zeros(1, 4, 5, 5), torch.zeros(1, 18, 3, 3), torch.zeros(2, 4, 3, 3)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            (X, OFFSET, torch.zeros(2, 3, 3, 3)),
            {},
            r"weight of shape \(2, 3, 3, 3\) does not divide the 4 input channels",
        ),
        ((X[:, :0], OFFSET, W), {}, r"weight of shape \(2, 4, 3, 3\) does not divide the 0 input channels"),
        ((X, OFFSET[:, :17], W), {}, r"offset must have 2 \* G \* 9 channels with G dividing 4, got 17"),
        ((X, OFFSET[..., :2], W), {}, r"offset must have shape \(1, 18, 3, 3\), got \(1, 18, 3, 2\)"),
        ((X, OFFSET, W), {"mask": torch.zeros(1, 9, 3, 4)}, r"mask must have shape \(1, 9, 3, 3\), got \(1, 9, 3, 4\)"),
        ((X, OFFSET, W), {"bias": torch.zeros(3)}, r"bias must have one entry per output channel \(2\), got 3"),
        ((X, OFFSET, W), {"stride": 0}, "stride must be one or two integers of at least 1, got 0"),
    ],
    ids=["weight", "no-channels", "offset-channels", "offset-size", "mask", "bias", "stride"],
)
def test_rejects_mismatching_shapes(arguments, options, message):
    with pytest.raises(ValueError, match=f"deform_conv2d: {message}"):
        deform_conv2d(*arguments, **options)
