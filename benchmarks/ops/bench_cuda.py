"""Comparison with torchvision's operators on a CUDA device: `nox -s gpu` prints the table."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from benchmarks.ops import inputs

from detectory import ops

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA device: run it on a machine with a GPU and its driver"
)

Calls = dict[str, Callable[[], torch.Tensor]]
CASES: dict[str, Callable[[torch.device], Calls]] = {}


def case(name: str) -> Callable[[Callable], Callable]:
    """Register a function that creates a case on a device: equivalent calls of both libraries."""

    def register(make: Callable[[torch.device], Calls]) -> Callable[[torch.device], Calls]:
        CASES[name] = make
        return make

    return register


def both(name: str, *arguments: object, **options: object) -> Calls:
    """Return calls of the function of this name in both libraries, with the same arguments."""
    own, peer = getattr(ops, name), getattr(torchvision.ops, name)
    return {"detectory": lambda: own(*arguments, **options), "torchvision": lambda: peer(*arguments, **options)}


def backward(calls: Calls, *leaves: torch.Tensor) -> Calls:
    """Return the backward passes of both calls, on graphs that are built once."""
    outputs = {key: call() for key, call in calls.items()}
    gradient = torch.ones_like(outputs["detectory"])
    return {
        key: lambda output=output: torch.autograd.grad(output, leaves, gradient, retain_graph=True)[0]
        for key, output in outputs.items()
    }


@case("pairwise_iou 100 x 200,000")
def _iou(device):
    first, second = (inputs.upright(count)[0].to(device) for count in (100, 200_000))
    calls = {"detectory": ops.pairwise_iou, "torchvision": torchvision.ops.box_iou}
    return {key: lambda call=call: call(first, second) for key, call in calls.items()}


@case("nms 1,000")
def _nms_small(device):
    boxes, scores, _ = (value.to(device) for value in inputs.upright(1_000))
    return both("nms", boxes, scores, 0.5)


@case("nms 10,000")
def _nms(device):
    boxes, scores, _ = (value.to(device) for value in inputs.upright(10_000))
    return both("nms", boxes, scores, 0.5)


@case("batched_nms 10,000, 80 classes")
def _batched_nms(device):
    return both("batched_nms", *(value.to(device) for value in inputs.upright(10_000)), 0.5)


def _pooled(device, dtype=torch.float32, layout=torch.contiguous_format):
    features = torch.rand(2, 256, 200, 272, generator=inputs.seeded()).to(device, dtype, memory_format=layout)
    rois = inputs.regions_of(272, 200, 1 / 4, 100).to(device, dtype)
    features.requires_grad_()
    return both("roi_align", features, rois, 7, 0.25, 0, True), features


@case("roi_align 512 regions of 200 x 272, forward")
def _roi_align(device):
    return _pooled(device)[0]


@case("roi_align 512 regions of 200 x 272, float16, forward")
def _roi_align_half(device):
    return _pooled(device, torch.float16)[0]


@case("roi_align 512 regions of 200 x 272, channels_last, forward")
def _roi_align_channels_last(device):
    return _pooled(device, layout=torch.channels_last)[0]


@case("roi_align 512 regions of 200 x 272, backward")
def _roi_align_backward(device):
    return backward(*_pooled(device))


@case("roi_align 512 regions of 200 x 272, float16, backward")
def _roi_align_half_backward(device):
    return backward(*_pooled(device, torch.float16))


def _convolved(device):
    generator = inputs.seeded()
    input, offset = (torch.randn(2, c, 50, 68, generator=generator).to(device) for c in (256, 18))
    weight = (torch.randn(256, 256, 3, 3, generator=generator) / 48).to(device)
    mask = torch.rand(2, 9, 50, 68, generator=generator).to(device)
    leaves = [tensor.requires_grad_() for tensor in (input, offset, weight, mask)]
    return both("deform_conv2d", input, offset, weight, None, (1, 1), (1, 1), (1, 1), mask), leaves


@case("deform_conv2d 2 x 256 x 50 x 68, forward")
def _deform_conv(device):
    return _convolved(device)[0]


@case("deform_conv2d 2 x 256 x 50 x 68, backward")
def _deform_conv_backward(device):
    calls, leaves = _convolved(device)
    return backward(calls, *leaves)


def _classified(device, reduction):
    generator = inputs.seeded()
    logits = (torch.randn(200_000, 80, generator=generator) - 4).to(device).requires_grad_()
    targets = (torch.rand(logits.shape, generator=generator) < 0.001).float().to(device)
    return both("sigmoid_focal_loss", logits, targets, reduction=reduction), logits


@case("sigmoid_focal_loss 200,000 x 80, sum, forward")
def _focal_loss(device):
    return _classified(device, "sum")[0]


@case("sigmoid_focal_loss 200,000 x 80, sum, backward")
def _focal_loss_backward(device):
    return backward(*_classified(device, "sum"))


@pytest.fixture(scope="module", params=CASES)
def measured(request):
    """Return the name and calls of a case; TF32 is disabled, so that both compute in float32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return request.param, CASES[request.param](torch.device("cuda"))


@pytest.mark.parametrize("implementation", ["detectory", "torchvision"])
def test_operator(benchmark, measured, implementation):
    name, calls = measured

    def finished():
        result = calls[implementation]()
        torch.cuda.synchronize()
        return result

    benchmark.group = f"cuda: {name}"
    found, expected = (result.detach().double() for result in (benchmark(finished), calls["torchvision"]()))
    # torchvision interpolates float16 maps in float16, so that results differ by its rounding errors.
    assert (found - expected).norm() <= (0.1 if "float16" in name else 1e-4) * expected.norm()
