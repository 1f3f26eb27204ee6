"""The focal loss compared with its formula in plain torch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectory.ops import sigmoid_focal_loss


def plain_focal_loss(inputs, targets, alpha, gamma):
    p = torch.sigmoid(inputs)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    wrong = p * (1 - targets) + (1 - p) * targets
    weight = alpha * targets + (1 - alpha) * (1 - targets) if alpha >= 0 else 1.0
    return weight * wrong**gamma * entropy


def random_case(shape=(40, 7), dtype=torch.float64, soft=False):
    targets = torch.rand(shape) if soft else (torch.rand(shape) < 0.3).float()
    return torch.randn(shape, dtype=torch.float64).mul(4).to(dtype), targets.to(dtype)


@pytest.mark.parametrize("alpha", [-1, 0.0, 0.25, 1.0])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 3.7])
@pytest.mark.parametrize("soft", [False, True], ids=["binary", "soft"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_loss_and_gradient_agree_with_the_formula(device, alpha, gamma, soft, dtype):
    inputs, targets = random_case(dtype=dtype, soft=soft)
    ours, plain = (value.clone().requires_grad_() for value in (inputs.to(device), inputs.double()))
    result, weights = sigmoid_focal_loss(ours, targets.to(device), alpha, gamma), torch.rand(inputs.shape)
    expected = plain_focal_loss(plain, targets.double(), alpha, gamma)
    (result * weights.to(result)).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(result.cpu(), expected.to(dtype), rtol=2e-6, atol=1e-7)
    torch.testing.assert_close(ours.grad.cpu(), plain.grad.to(dtype), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 2.5])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_gradient_passes_gradcheck(device, gamma, reduction):
    inputs, targets = (value.to(device) for value in random_case((3, 4), soft=True))
    assert torch.autograd.gradcheck(
        lambda x: sigmoid_focal_loss(x, targets, 0.25, gamma, reduction), inputs.requires_grad_()
    )


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 2.5])
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_second_derivative_passes_gradgradcheck(device, gamma, reduction):
    inputs, targets = (value.to(device) for value in random_case((3, 4), soft=True))
    assert torch.autograd.gradgradcheck(
        lambda x: sigmoid_focal_loss(x, targets, 0.25, gamma, reduction), inputs.requires_grad_()
    )


@pytest.mark.parametrize(("reduction", "reduce"), [("sum", torch.sum), ("mean", torch.mean)])
def test_reductions_reduce_the_elements(device, reduction, reduce):
    inputs, targets = (value.to(device) for value in random_case((500, 80), torch.float32))
    result = sigmoid_focal_loss(inputs, targets, reduction=reduction)
    torch.testing.assert_close(result, reduce(sigmoid_focal_loss(inputs, targets)))


def test_sum_does_not_depend_on_the_number_of_threads():
    inputs, targets = random_case((900, 80), torch.float32)
    threads, sums = torch.get_num_threads(), set()
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        sums.add(sigmoid_focal_loss(inputs, targets, reduction="sum").item())
    torch.set_num_threads(threads)
    assert len(sums) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_types_are_computed_in_float32(device, dtype):
    inputs, targets = (value.to(device) for value in random_case(dtype=dtype))
    result = sigmoid_focal_loss(inputs.requires_grad_(), targets)
    result.float().sum().backward()
    assert result.dtype == inputs.grad.dtype == dtype
    assert torch.equal(result, sigmoid_focal_loss(inputs.detach().float(), targets.float()).to(dtype))


def test_autocast_computes_in_float32(device):
    inputs, targets = (value.to(device) for value in random_case(dtype=torch.bfloat16))
    with torch.autocast(device.type, torch.bfloat16):
        assert sigmoid_focal_loss(inputs, targets).dtype == torch.float32


def test_non_contiguous_inputs_yield_the_same_loss_and_gradient(device):
    inputs, targets = (value.to(device) for value in random_case((6, 8)))
    view, copy = inputs.clone().requires_grad_(), inputs.t().contiguous().requires_grad_()
    first, second = sigmoid_focal_loss(view.t(), targets.t()), sigmoid_focal_loss(copy, targets.t().contiguous())
    first.backward(targets.t() + 1)
    second.backward(targets.t() + 1)
    assert torch.equal(first, second)
    assert torch.equal(view.grad.t(), copy.grad)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=4), st.sampled_from(["none", "sum"]))
def test_any_shape_is_kept(shape, reduction):
    inputs, targets = random_case(shape)
    inputs.requires_grad_()
    result = sigmoid_focal_loss(inputs, targets, reduction=reduction)
    result.sum().backward()
    assert result.shape == (inputs.shape if reduction == "none" else ())
    assert inputs.grad.shape == inputs.shape


def test_large_logits_yield_finite_losses_and_gradients(device):
    inputs = torch.tensor([-1e4, -200, -90, 90, 200, 1e4], device=device).repeat(2).requires_grad_()
    targets = torch.tensor([0.0, 1.0], device=device).repeat_interleave(6)
    result = sigmoid_focal_loss(inputs, targets, -1, 2)
    result.sum().backward()
    expected = torch.tensor([0, 0, 0, 90, 200, 1e4, 1e4, 200, 90, 0, 0, 0])
    torch.testing.assert_close(result.cpu(), expected)
    assert inputs.grad.isfinite().all()


def test_infinite_logits_yield_zero_or_infinite_loss(device):
    inputs, targets = torch.tensor([float("inf"), -float("inf")] * 2, device=device), torch.tensor([1.0, 0, 0, 1])
    result = sigmoid_focal_loss(inputs, targets.to(device), -1, 2).cpu()
    torch.testing.assert_close(result, torch.tensor([0, 0, float("inf"), float("inf")]))


def test_nan_stays_nan(device):
    inputs = torch.tensor([float("nan"), 1.0], device=device, requires_grad=True)
    result = sigmoid_focal_loss(inputs, torch.ones(2, device=device))
    result.sum().backward()
    assert result.isnan().tolist() == inputs.grad.isnan().tolist() == [True, False]


def test_rejects_targets_of_a_different_shape():
    with pytest.raises(ValueError, match=r"targets must have the inputs' shape \(2, 3\), got \(3, 2\)"):
        sigmoid_focal_loss(torch.zeros(2, 3), torch.zeros(3, 2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gamma": -1.0}, "gamma must be at least 0, got -1.0"),
        ({"reduction": "max"}, r"reduction must be one of \('none', 'mean', 'sum'\), got 'max'"),
        ({"targets": torch.zeros(2, requires_grad=True)}, "targets must not require a gradient"),
    ],
    ids=["gamma", "reduction", "targets"],
)
def test_rejects_invalid_arguments(changes, message):
    with pytest.raises(ValueError, match=f"sigmoid_focal_loss: {message}"):
        sigmoid_focal_loss(**{"inputs": torch.zeros(2), "targets": torch.zeros(2), **changes})
