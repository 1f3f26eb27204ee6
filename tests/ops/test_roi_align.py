"""RoIAlign compared with a loop over bins, samples and neighbours."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.ops import roi_align

#: Difference between two backward passes: a GPU adds the gradients of a pixel in any order.
ATOMIC = 1e-10
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
LAYOUTS = [torch.contiguous_format, torch.channels_last]


def bilinear(plane, y, x):
    height, width = len(plane), len(plane[0])
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = (1 - x + left) * plane[top][left] + (x - left) * plane[top][right]
    lower = (1 - x + left) * plane[bottom][left] + (x - left) * plane[bottom][right]
    return (1 - y + top) * upper + (y - top) * lower


def slow_roi_align(input, rois, size, scale, ratio, aligned):
    out, planes = input.new_zeros(len(rois), input.shape[1], *size), input.tolist()
    for r, (image, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (value * scale - 0.5 * aligned for value in box)
        width, height = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1.0), max(y2 - y1, 1.0))
        bin_h, bin_w = height / size[0], width / size[1]
        rows, columns = (ratio, ratio) if ratio > 0 else (math.ceil(bin_h), math.ceil(bin_w))
        for c, ph, pw in torch.cartesian_prod(*map(torch.arange, out.shape[1:])).tolist():
            samples = [
                bilinear(
                    planes[int(image)][c], y1 + (ph + (i + 0.5) / rows) * bin_h, x1 + (pw + (j + 0.5) / columns) * bin_w
                )
                for i in range(rows)
                for j in range(columns)
            ]
            if samples:
                out[r, c, ph, pw] = sum(samples) / len(samples)
    return out


def random_rois(count, batch=2, extent=24.0):
    rois = torch.rand(count, 5, dtype=torch.float64) * extent
    rois[:, 3:] += rois[:, 1:3] - extent / 4
    rois[:, 0] = torch.randint(batch, (count,))
    return rois


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("aligned", [True, False], ids=["aligned", "legacy"])
@pytest.mark.parametrize("ratio", [0, 2])
def test_agrees_with_a_loop_over_samples(device, layout, aligned, ratio):
    input, rois = torch.randn(2, 3, 9, 11, dtype=torch.float64).to(memory_format=layout), random_rois(8)
    rois[0, 3:] = rois[0, 1:3] + (5 if ratio == 0 else -5)
    result = roi_align(input.to(device), rois.to(device), (3, 2), 0.5, ratio, aligned)
    torch.testing.assert_close(result.cpu(), slow_roi_align(input, rois, (3, 2), 0.5, ratio, aligned))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("channels", [1, 31, 32, 33, 70])
def test_any_number_of_channels_and_dtype_agrees_with_float64(device, dtype, layout, channels):
    input = torch.randn(2, channels, 20, 23).to(device, dtype).contiguous(memory_format=layout)
    rois = random_rois(40, extent=60.0).float().to(device)
    result, expected = roi_align(input, rois, 7, 0.25), roi_align(input.double(), rois.double(), 7, 0.25)
    tolerance = {torch.float16: 2e-3, torch.bfloat16: 2e-2}.get(dtype, 1e-4)
    assert result.dtype == dtype
    torch.testing.assert_close(result.double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("count", [0, 1, 200])
def test_few_and_many_regions_agree_with_single_regions(device, count):
    input, rois = torch.randn(2, 40, 16, 16, device=device), random_rois(count, extent=16.0).float().to(device)
    alone = [roi_align(input, roi[None], 5) for roi in rois]
    together = roi_align(input, rois, 5)
    assert together.shape == (count, 40, 5, 5)
    torch.testing.assert_close(together, torch.cat(alone) if alone else together)


def test_strided_input_yields_the_same_result(device):
    wide, rois = torch.randn(2, 8, 12, 14, device=device).half(), random_rois(10, extent=6.0).float().to(device)
    view = wide[:, ::2, 1::2, 1::3]
    assert torch.equal(roi_align(view, rois, 3), roi_align(view.contiguous(), rois, 3))


@pytest.mark.parametrize("aligned", [True, False], ids=["aligned", "legacy"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_non_finite_regions_yield_zeros(device, value, aligned):
    rois = torch.tensor([[0, value, 0, 4, 4], [0, 0, 0, 4, value], [0, 0, 0, 4, 4]], device=device)
    result = roi_align(torch.ones(1, 2, 5, 5, device=device), rois, 2, aligned=aligned)
    assert result[:2].abs().sum() == 0
    assert (result[2] == 1).all()


def test_time_is_bounded_for_huge_regions(device):
    rois = torch.tensor([[0, -1e30, -1e30, 1e30, 1e30], [0, -1e6, -1e6, 1e6, 1e6]], device=device)
    assert roi_align(torch.ones(1, 1, 8, 8, device=device), rois, 7).shape == (2, 1, 7, 7)


NUMBER = st.floats(-1e4, 1e4, width=32) | st.sampled_from([0.0, 1e30, -1e30, float("inf"), float("nan")])


@given(
    boxes=st.lists(st.tuples(*[NUMBER] * 4), max_size=5),
    shape=st.tuples(st.integers(1, 2), st.integers(0, 5), st.integers(1, 6), st.integers(1, 40)),
    size=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    ratio=st.integers(0, 3),
    aligned=st.booleans(),
)
def test_any_region_yields_an_average_of_the_input(boxes, shape, size, ratio, aligned):
    rois = torch.tensor([(0.0, *box) for box in boxes]).reshape(-1, 5)
    result = roi_align(torch.ones(shape), rois, size, 0.5, ratio, aligned)
    assert result.shape == (len(boxes), shape[1], *size)
    assert ((result >= 0) & (result <= 1 + 1e-5)).all()


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("aligned", [True, False], ids=["aligned", "legacy"])
@pytest.mark.parametrize("ratio", [0, 2])
def test_gradients_agree_with_finite_differences(device, layout, aligned, ratio):
    input = torch.randn(2, 3, 6, 7, dtype=torch.float64, device=device).contiguous(memory_format=layout)
    rois = random_rois(5, extent=8.0).to(device)

    def pool(x: torch.Tensor) -> torch.Tensor:
        return roi_align(x, rois, (2, 3), 0.8, ratio, aligned)

    torch.autograd.gradcheck(pool, input.requires_grad_(), nondet_tol=ATOMIC)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_gradient_is_the_transpose_of_the_pooling(device, layout, dtype):
    input = torch.randn(2, 40, 30, 20).to(device, dtype).contiguous(memory_format=layout).requires_grad_()
    rois, weights = random_rois(60, extent=40.0).to(device), torch.rand(60, 40, 7, 7, device=device).to(dtype)
    roi_align(input, rois, 7, 0.5).backward(weights)
    exact = input.detach().double().requires_grad_()
    roi_align(exact, rois, 7, 0.5).backward(weights.double())
    tolerance = {torch.float16: 1e-2, torch.bfloat16: 5e-2}.get(dtype, 1e-4)
    assert input.grad.stride() == input.stride()
    torch.testing.assert_close(input.grad.double(), exact.grad, atol=tolerance, rtol=tolerance)


def test_backward_passes_are_identical_in_deterministic_mode(device):
    input, rois = torch.randn(2, 64, 20, 20, device=device, requires_grad=True), random_rois(300).float().to(device)
    torch.use_deterministic_algorithms(True)
    try:
        grads = [torch.autograd.grad(roi_align(input, rois, 7).square().sum(), input)[0] for _ in range(2)]
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(*grads)


@pytest.mark.parametrize("requires_grad", [False, True], ids=["inference", "training"])
def test_passes_opcheck(device, requires_grad):
    input = torch.randn(2, 3, 6, 7, device=device, requires_grad=requires_grad)
    torch.library.opcheck(
        torch.ops.detectory.roi_align.default, (input, random_rois(4).float().to(device), 0.5, 2, 3, 0, True)
    )


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_backward_operator_passes_opcheck(device, channels_last):
    grad, rois = torch.randn(4, 3, 2, 3, device=device), random_rois(4).float().to(device)
    arguments = grad, rois, 0.5, 2, 6, 7, 0, True, channels_last, False
    torch.library.opcheck(torch.ops.detectory.roi_align_backward.default, arguments)


def test_compiles_forward_and_backward(device, compiles):
    input, rois = torch.randn(2, 3, 8, 9, device=device, requires_grad=True), random_rois(6).float().to(device)
    compiles(lambda x, r: roi_align(x, r, 3, 0.5), input, rois)


def test_exports_with_dynamic_sizes(device, exports):
    inputs = [
        (torch.randn(b, 3, h, 12, device=device), random_rois(r, b).float().to(device))
        for b, h, r in ((2, 8, 5), (3, 11, 2))
    ]
    dim = torch.export.Dim
    exports(lambda x, r: roi_align(x, r, 3, 0.5), *inputs, [{0: dim("B"), 2: dim("H", min=2)}, {0: dim("R")}])


def test_autocast_keeps_half_features(device):
    input, rois = torch.randn(1, 4, 8, 8, device=device).bfloat16(), random_rois(3, 1).float().to(device)
    with torch.autocast(device.type, torch.bfloat16):
        assert roi_align(input, rois, 2).dtype == torch.bfloat16


X, R = torch.zeros(1, 2, 4, 4), torch.zeros(3, 5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X, R, (0, 7)), ValueError, r"roi_align: output_size must be one or two positive integers, got \(0, 7\)"),
        ((X, R[:, :4], 7), ValueError, r"roi_align: rois must have shape \(R, 5\), got \(3, 4\)"),
        ((X[0], R, 7), ValueError, r"roi_align: input must have shape \(B, C, H, W\), got \(2, 4, 4\)"),
        ((X.int(), R, 7), TypeError, "roi_align: input must have floating dtype, got torch.int32"),
        ((X, R, 7, -1.0), ValueError, "roi_align: spatial_scale must be positive, got -1.0"),
        ((X, R, 7, 1.0, -1), ValueError, "roi_align: sampling_ratio must be 0 .* got -1"),
        ((X[:, :, :0], R, 7), ValueError, "roi_align: input must not be empty"),
        ((X, R + 2, 7), RuntimeError, r"rois\[0, 0\] must be the index of an image in \[0, 1\), got 2"),
    ],
    ids=["size", "columns", "dimensions", "dtype", "scale", "ratio", "no-pixels", "image"],
)
def test_rejects_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        roi_align(*arguments)
