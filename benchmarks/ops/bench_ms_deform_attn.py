"""Multi-scale deformable attention at the size of an encoder. The reference is `grid_sample` per level."""

import pytest
import torch
from benchmarks.ops.inputs import attention

from detectory.ops import ms_deform_attn


def by_grid_sample(value, shapes, starts, locations, weights):
    batch, _, heads, depth = value.shape
    out = 0
    for level, ((height, width), start) in enumerate(zip(shapes.tolist(), starts.tolist(), strict=True)):
        plane = value[:, start : start + height * width].permute(0, 2, 3, 1).reshape(-1, depth, height, width)
        grid = 2 * locations[:, :, :, level].transpose(1, 2).flatten(0, 1) - 1  # (B * M, Q, P, 2)
        samples = torch.nn.functional.grid_sample(plane, grid, align_corners=False)
        out = out + (samples * weights[:, :, :, level].transpose(1, 2).flatten(0, 1)[:, None]).sum(-1)
    return out.reshape(batch, heads * depth, -1).transpose(1, 2)


IMPLEMENTATIONS = {"detectory": ms_deform_attn, "plain torch": by_grid_sample}


@pytest.fixture(scope="module")
def case():
    return attention()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_forward(benchmark, case, implementation):
    benchmark.group = "ms_deform_attn 17,821 queries, forward"
    result = benchmark(IMPLEMENTATIONS[implementation], *case)
    torch.testing.assert_close(result, by_grid_sample(*case), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_forward_and_backward(benchmark, case, implementation):
    benchmark.group = "ms_deform_attn 17,821 queries, forward + backward"
    value, shapes, starts, locations, weights = case
    leaves = [tensor.clone().requires_grad_() for tensor in (value, locations, weights)]

    def step(function):
        return torch.autograd.grad(function(leaves[0], shapes, starts, *leaves[1:]).sum(), leaves)

    for result, expected in zip(benchmark(step, IMPLEMENTATIONS[implementation]), step(by_grid_sample), strict=True):
        # At pixel boundaries either one-sided derivative is valid.
        assert ((result - expected).abs() > 1e-2 * (1 + expected.abs())).float().mean() < 1e-4
