"""Multi-scale deformable attention compared with torch's grid_sample, level by level."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.ops import ms_deform_attn

#: Difference between two backward passes: a GPU adds the gradients of a pixel in any order.
ATOMIC = 1e-10


SHAPES = [(6, 4), (3, 5)]


def reference(value, shapes, starts, locations, weights):
    batch, _, heads, depth = value.shape
    out = 0
    for level, ((h, w), start) in enumerate(zip(shapes.tolist(), starts.tolist(), strict=True)):
        plane = value[:, start : start + h * w].permute(0, 2, 3, 1).reshape(batch * heads, depth, h, w)
        grid = locations[:, :, :, level].transpose(1, 2).flatten(0, 1)  # (B * M, Q, P, 2)
        samples = torch.nn.functional.grid_sample(plane, 2 * grid - 1, align_corners=False)
        out = out + (samples * weights[:, :, :, level].transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)
    return out.reshape(batch, heads * depth, -1).transpose(1, 2)


def problem(batch=2, queries=5, heads=3, depth=4, points=2, dtype=torch.float64, device="cpu"):
    shapes = torch.tensor(SHAPES, device=device)
    starts = torch.tensor([0, 24], device=device)
    value = torch.randn(batch, 39, heads, depth, dtype=dtype, device=device)
    locations = torch.rand(batch, queries, heads, 2, points, 2, dtype=dtype, device=device) * 1.4 - 0.2
    return value, shapes, starts, locations, torch.rand(batch, queries, heads, 2, points, dtype=dtype, device=device)


@pytest.mark.parametrize("depth", [1, 4, 33, 64])
@pytest.mark.parametrize("queries", [0, 1, 100])
def test_agrees_with_grid_sample(device, depth, queries):
    arguments = problem(depth=depth, queries=queries, device=device)
    expected = reference(*arguments) if queries else arguments[0].new_empty(2, 0, 3 * depth)
    torch.testing.assert_close(ms_deform_attn(*arguments), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_lower_precision_agrees_with_float64(device, dtype):
    value, shapes, starts, locations, weights = problem(dtype=dtype, device=device)
    result = ms_deform_attn(value, shapes, starts, locations, weights)
    expected = ms_deform_attn(value.double(), shapes, starts, locations.double(), weights.double())
    assert result.dtype == dtype
    tolerance = {torch.float16: 1e-2, torch.bfloat16: 1e-1}.get(dtype, 1e-4)
    torch.testing.assert_close(result.double(), expected, atol=tolerance, rtol=tolerance)


def test_gradients_agree_with_finite_differences(device):
    value, shapes, starts, locations, weights = problem(queries=3, heads=2, depth=3, device=device)
    tensors = [t.requires_grad_() for t in (value, locations, weights)]

    def attend(v: torch.Tensor, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return ms_deform_attn(v, shapes, starts, x, w)

    torch.autograd.gradcheck(attend, tensors, fast_mode=True, nondet_tol=ATOMIC)


@given(value=st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e30, -1e30, -5.0, 9.0]))
def test_samples_far_outside_are_zero(value):
    values, shapes, starts, locations, weights = problem()
    assert ms_deform_attn(values, shapes, starts, torch.full_like(locations, value), weights).abs().sum() == 0


def test_passes_opcheck(device):
    value, shapes, starts, locations, weights = problem(device=device)
    tensors = value.requires_grad_(), shapes, starts, locations.requires_grad_(), weights.requires_grad_()
    torch.library.opcheck(torch.ops.detectory.ms_deform_attn.default, tensors)


def test_compiles_forward_and_backward(device, compiles):
    value, shapes, starts, locations, weights = problem(device=device)
    tensors = [t.requires_grad_() for t in (value, locations, weights)]
    compiles(lambda v, x, w: ms_deform_attn(v, shapes, starts, x, w), *tensors)


def test_exports_with_dynamic_batch_and_queries(device, exports):
    inputs = [problem(batch=b, queries=q, device=device) for b, q in ((2, 5), (3, 7))]
    batch, queries = torch.export.Dim("B"), torch.export.Dim("Q")
    exports(ms_deform_attn, *inputs, [{0: batch}, {}, {}, {0: batch, 1: queries}, {0: batch, 1: queries}])


@pytest.mark.parametrize(
    ("index", "change", "error", "message"),
    [
        (0, lambda t: t[0], ValueError, r"value must have shape \(B, S, M, D\)"),
        (1, lambda t: t.double(), TypeError, "spatial_shapes must have integer dtype"),
        (2, lambda t: t[:1], ValueError, "level_start_index must have 2 entries"),
        (3, lambda t: t[:, :, :1], ValueError, "sampling_locations must be"),
        (4, lambda t: t.float(), TypeError, "must have the same dtype"),
        (1, lambda t: t * 9, RuntimeError, "inside value"),
    ],
    ids=["value", "shapes", "starts", "locations", "dtype", "levels"],
)
def test_rejects_wrong_arguments(index, change, error, message):
    arguments = list(problem())
    arguments[index] = change(arguments[index])
    with pytest.raises(error, match=f"ms_deform_attn: .*{message}"):
        ms_deform_attn(*arguments)
