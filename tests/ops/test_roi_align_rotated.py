"""Rotated RoIAlign compared with a loop over samples and with RoIAlign."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.ops import roi_align, roi_align_rotated

#: Difference between two backward passes: a GPU adds the gradients of a pixel in any order.
ATOMIC = 1e-10


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


def slow_roi_align_rotated(input, rois, size, scale, ratio):
    out, planes = input.new_zeros(len(rois), input.shape[1], *size), input.tolist()
    for r, (image, cx, cy, w, h, angle) in enumerate(rois.tolist()):
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        bin_h, bin_w = h * scale / size[0], w * scale / size[1]
        rows, columns = (ratio, ratio) if ratio > 0 else (math.ceil(bin_h), math.ceil(bin_w))
        for k, ph, pw in torch.cartesian_prod(*map(torch.arange, out.shape[1:])).tolist():
            total = 0.0
            for i, j in ((i, j) for i in range(rows) for j in range(columns)):
                across = -h * scale / 2 + (ph + (i + 0.5) / rows) * bin_h
                along = -w * scale / 2 + (pw + (j + 0.5) / columns) * bin_w
                y, x = across * c - along * s + cy * scale - 0.5, across * s + along * c + cx * scale - 0.5
                total += bilinear(planes[int(image)][k], y, x)
            out[r, k, ph, pw] = total / (rows * columns)
    return out


def random_rois(count, batch=2, extent=20.0):
    rois = torch.rand(count, 6, dtype=torch.float64) * torch.tensor([1, extent, extent, extent, extent, 720.0])
    rois[:, 0] = torch.randint(batch, (count,))
    return rois + torch.tensor([0, 0, 0, 0.1, 0.1, -360.0])


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("ratio", [0, 2])
def test_agrees_with_a_loop_over_samples(device, layout, ratio):
    input, rois = torch.randn(2, 3, 9, 11, dtype=torch.float64).to(memory_format=layout), random_rois(8)
    result = roi_align_rotated(input.to(device), rois.to(device), (3, 2), 0.5, ratio)
    torch.testing.assert_close(result.cpu(), slow_roi_align_rotated(input, rois, (3, 2), 0.5, ratio))


@pytest.mark.parametrize("ratio", [0, 3])
def test_without_rotation_equals_roi_align(device, ratio):
    input, rois = torch.randn(2, 40, 20, 30, device=device), random_rois(30).float().to(device)
    rois[:, 5] = 0
    upright = torch.cat([rois[:, :1], rois[:, 1:3] - rois[:, 3:5] / 2, rois[:, 1:3] + rois[:, 3:5] / 2], 1)
    torch.testing.assert_close(roi_align_rotated(input, rois, 5, 0.7, ratio), roi_align(input, upright, 5, 0.7, ratio))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("channels", [1, 33, 64])
def test_any_dtype_and_layout_agrees_with_float64(device, dtype, layout, channels):
    input = torch.randn(2, channels, 14, 15).to(device, dtype).contiguous(memory_format=layout)
    rois = random_rois(20).float().to(device)
    result, expected = roi_align_rotated(input, rois, 4), roi_align_rotated(input.double(), rois.double(), 4)
    tolerance = {torch.float16: 2e-3, torch.bfloat16: 2e-2}.get(dtype, 1e-4)
    assert result.dtype == dtype
    torch.testing.assert_close(result.double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_gradients_agree_with_finite_differences(device, layout):
    input = torch.randn(2, 3, 6, 7, dtype=torch.float64, device=device).contiguous(memory_format=layout)
    rois = random_rois(5, extent=8.0).to(device)

    def pool(x: torch.Tensor) -> torch.Tensor:
        return roi_align_rotated(x, rois, (2, 3), 0.8)

    torch.autograd.gradcheck(pool, input.requires_grad_(), nondet_tol=ATOMIC)


@pytest.mark.parametrize("count", [0, 1, 70])
def test_any_number_of_regions_keeps_the_shape(device, count):
    input = torch.randn(2, 3, 6, 7, device=device)
    assert roi_align_rotated(input, random_rois(count).float().to(device), (2, 3)).shape == (count, 3, 2, 3)


VALUE = st.floats(-1e4, 1e4, width=32) | st.sampled_from([0.0, 1e30, -1e30, float("inf"), float("nan")])


@given(
    boxes=st.lists(st.tuples(*[VALUE] * 5), max_size=4),
    shape=st.tuples(st.integers(1, 2), st.integers(0, 5), st.integers(1, 6), st.integers(1, 40)),
    ratio=st.integers(0, 3),
)
def test_any_region_yields_an_average_of_the_input(boxes, shape, ratio):
    rois = torch.tensor([(0.0, *box) for box in boxes]).reshape(-1, 6)
    result = roi_align_rotated(torch.ones(shape), rois, (2, 3), 0.5, ratio)
    assert result.shape == (len(boxes), shape[1], 2, 3)
    assert ((result >= 0) & (result <= 1 + 1e-4)).all()


@pytest.mark.parametrize("requires_grad", [False, True], ids=["inference", "training"])
def test_passes_opcheck(device, requires_grad):
    input = torch.randn(2, 3, 6, 7, device=device, requires_grad=requires_grad)
    arguments = input, random_rois(4).float().to(device), 0.5, 2, 3, 0
    torch.library.opcheck(torch.ops.detectory.roi_align_rotated.default, arguments)


def test_compiles_forward_and_backward(device, compiles):
    input = torch.randn(2, 3, 8, 9, device=device, requires_grad=True)
    compiles(lambda x, r: roi_align_rotated(x, r, 3, 0.5), input, random_rois(6).float().to(device))


def test_exports_with_dynamic_sizes(device, exports):
    sizes = ((2, 8, 5), (3, 11, 2))
    inputs = [(torch.randn(b, 3, h, 12, device=device), random_rois(r, b).float().to(device)) for b, h, r in sizes]
    dim = torch.export.Dim
    exports(lambda x, r: roi_align_rotated(x, r, 3), *inputs, [{0: dim("B"), 2: dim("H", min=2)}, {0: dim("R")}])


def test_rejects_regions_without_an_angle():
    with pytest.raises(ValueError, match=r"roi_align_rotated: rois must have shape \(R, 6\), got \(3, 5\)"):
        roi_align_rotated(torch.zeros(1, 1, 2, 2), torch.zeros(3, 5), 7)


def test_rejects_a_batch_index_out_of_range():
    with pytest.raises(RuntimeError, match=r"rois\[0, 0\] must be the index of an image in \[0, 1\)"):
        roi_align_rotated(torch.zeros(1, 1, 2, 2), torch.ones(1, 6), 7)
