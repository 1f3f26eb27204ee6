"""Properties of all operators: error messages, tracing, autocast, determinism."""

import contextlib
import re

import pytest
import torch

from detectory import ops
from detectory.ops._checks.determinism import require_determinism


def boxes(count, columns=4):
    values = torch.rand(count, columns) * 8
    values[:, 2:4] += values[:, :2]
    return values


def regions(columns):
    return torch.cat([torch.zeros(3, 1), boxes(3, columns - 1)], 1)


def attention():
    shapes, starts = torch.tensor([[3, 2], [1, 2]]), torch.tensor([0, 6])
    return torch.rand(2, 8, 2, 3), shapes, starts, torch.rand(2, 4, 2, 2, 1, 2), torch.rand(2, 4, 2, 2, 1)


def matching():
    groups, flags = torch.tensor([0, 1, 2]), torch.zeros(1, 2, dtype=torch.bool)
    return torch.rand(2).double(), torch.tensor([0.5]), groups, groups, flags, flags, flags[0]


#: For each function the arguments of a call that fits.
CALLS = {
    "pairwise_iou": lambda: (boxes(3), boxes(2)),
    "pairwise_ioa": lambda: (boxes(3), boxes(2)),
    "pairwise_giou": lambda: (boxes(3), boxes(2)),
    "pairwise_iou_rotated": lambda: (boxes(3, 5), boxes(2, 5)),
    "nms": lambda: (boxes(4), torch.rand(4), 0.5),
    "batched_nms": lambda: (boxes(4), torch.rand(4), torch.arange(4) % 2, 0.5),
    "nms_rotated": lambda: (boxes(4, 5), torch.rand(4), 0.5),
    "batched_nms_rotated": lambda: (boxes(4, 5), torch.rand(4), torch.arange(4) % 2, 0.5),
    "roi_align": lambda: (torch.rand(1, 2, 6, 7), regions(5), 2),
    "roi_align_rotated": lambda: (torch.rand(1, 2, 6, 7), regions(6), 2),
    "deform_conv2d": lambda: (torch.rand(2, 4, 5, 5), torch.rand(2, 18, 3, 3), torch.rand(2, 4, 3, 3)),
    "ms_deform_attn": attention,
    "point_sample": lambda: (torch.rand(2, 3, 5, 6), torch.rand(2, 7, 2)),
    "sigmoid_focal_loss": lambda: (torch.randn(4, 3), torch.rand(4, 3).round()),
    "paste_masks": lambda: (torch.rand(3, 5, 5), boxes(3), (8, 9)),
    "roi_masks_to_rle": lambda: (torch.rand(3, 5, 5), boxes(3), (8, 9)),
    "rle_encode": lambda: (torch.rand(3, 5, 5) < 0.5,),
    "grouped_box_iou": lambda: (boxes(2), boxes(2), None, torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2])),
    "coco_match": matching,
    "winograd_weight": lambda: (torch.rand(4, 3, 3, 3),),
    "winograd_conv2d": lambda: (
        torch.rand(2, 3, 5, 6),
        ops.winograd_weight(torch.rand(4, 3, 3, 3)),
        torch.rand(4),
        4,
    ),
    "rasterize_polygons_within_boxes": lambda: ([[[0, 0, 4, 0, 4, 4]]] * 3, boxes(3), 7),
}
#: Those that run where their tensors are; the others work in the host's memory.
ON_DEVICES = [name for name in CALLS if name not in ("rle_encode", "grouped_box_iou", "coco_match")]
for _name in ("rasterize_polygons_within_boxes", "winograd_weight", "winograd_conv2d"):
    ON_DEVICES.remove(_name)
DIFFERENTIABLE = ["pairwise_iou", "pairwise_ioa", "pairwise_giou", "roi_align", "roi_align_rotated", "deform_conv2d"]
DIFFERENTIABLE += ["ms_deform_attn", "point_sample", "sigmoid_focal_loss"]

ARGUMENTS = [
    pytest.param(name, place, id=f"{name}-{place}")
    for name, make in CALLS.items()
    for place, value in enumerate(make())
    if isinstance(value, torch.Tensor)
]


def call_with(name, place, change):
    arguments = list(CALLS[name]())
    arguments[place] = change(arguments[place])
    return getattr(ops, name)(*arguments)


@pytest.mark.parametrize("name", CALLS)
def test_valid_calls_succeed(name):
    getattr(ops, name)(*CALLS[name]())


@pytest.mark.parametrize(("name", "place"), ARGUMENTS)
def test_rejects_lists_instead_of_tensors(name, place):
    with pytest.raises(TypeError, match=rf"^{name}: \w+ must be an? .*tensor, got .*list"):
        call_with(name, place, lambda tensor: tensor.tolist())


@pytest.mark.parametrize(("name", "place"), ARGUMENTS)
def test_rejects_tensors_with_an_extra_dimension(name, place):
    with pytest.raises(ValueError, match=rf"^{name}: .* got "):
        call_with(name, place, lambda tensor: tensor[..., None])


@pytest.mark.parametrize(("name", "place"), [case for case in ARGUMENTS if case.values[0] != "rle_encode"])
def test_rejects_complex_numbers(name, place):
    with pytest.raises(TypeError, match=rf"^{name}: .*complex64"):
        call_with(name, place, lambda tensor: tensor.to(torch.complex64))


@pytest.mark.parametrize(("name", "place"), [case for case in ARGUMENTS if case.values[0] in ON_DEVICES])
def test_rejects_tensors_of_two_devices(name, place):
    with pytest.raises(ValueError, match=rf"^{name}: \w+ and \w+ must be on the same device, got .*meta"):
        call_with(name, place, lambda tensor: tensor.to("meta"))


@pytest.mark.parametrize("name", ["batched_nms", "batched_nms_rotated", "point_sample"])
def test_compiles_into_one_graph(compiles, name):
    first, *rest = CALLS[name]()
    compiles(lambda value: getattr(ops, name)(value, *rest), first.requires_grad_(name in DIFFERENTIABLE))


def test_batched_rotated_nms_exports_with_a_dynamic_number_of_boxes(exports):
    inputs = [(boxes(count, 5), torch.rand(count), torch.arange(count) % 2) for count in (5, 9)]
    exports(lambda *values: ops.batched_nms_rotated(*values, 0.5), *inputs, [{0: torch.export.Dim("N", min=2)}] * 3)


def test_rotated_overlaps_export_with_dynamic_numbers_of_boxes(exports):
    inputs = [(boxes(first, 5), boxes(second, 5)) for first, second in ((3, 4), (5, 2))]
    exports(ops.pairwise_iou_rotated, *inputs, [{0: torch.export.Dim("N")}, {0: torch.export.Dim("M")}])


def test_point_sample_exports_with_dynamic_batch_and_points(exports):
    batch, points = torch.export.Dim("B"), torch.export.Dim("P")
    inputs = [(torch.rand(b, 3, 5, 6), torch.rand(b, p, 2)) for b, p in ((2, 7), (3, 4))]
    exports(ops.point_sample, *inputs, [{0: batch}, {0: batch, 1: points}])


def cast(arguments, dtype):
    return [value.to(dtype) if torch.is_tensor(value) and value.is_floating_point() else value for value in arguments]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["pairwise_giou", "deform_conv2d", "ms_deform_attn", "sigmoid_focal_loss"])
def test_autocast_computes_half_arguments_in_float32(device, name, dtype):
    moved = [value.to(device) if isinstance(value, torch.Tensor) else value for value in CALLS[name]()]
    half = cast(moved, dtype)
    with torch.autocast(device.type, torch.bfloat16):
        found = getattr(ops, name)(*half)
    torch.testing.assert_close(found, getattr(ops, name)(*cast(half, torch.float32)), atol=1e-5, rtol=1e-5)


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("name", [name for name in DIFFERENTIABLE if name != "point_sample"])
def test_backward_passes_on_the_cpu_are_deterministic(name):
    arguments = [
        value.requires_grad_() if torch.is_tensor(value) and place == 0 else value
        for place, value in enumerate(CALLS[name]())
    ]
    grads = [torch.autograd.grad(getattr(ops, name)(*arguments).square().sum(), arguments[0])[0] for _ in range(2)]
    assert torch.equal(*grads)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("name", ["roi_align_rotated", "deform_conv2d", "ms_deform_attn"])
def test_deterministic_mode_rejects_nondeterministic_backward_passes_on_cuda(name):
    with pytest.raises(RuntimeError, match=f"^{name}: the backward pass on CUDA is not deterministic"):
        require_determinism(name, torch.device("cuda"))


def test_deterministic_mode_can_warn_instead():
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with pytest.warns(UserWarning, match=re.escape("deform_conv2d: the backward pass on CUDA")):
            require_determinism("deform_conv2d", torch.device("cuda"))
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("name", ["roi_align_rotated", "deform_conv2d", "ms_deform_attn"])
def test_backward_pass_checks_determinism(device, name):
    arguments = [value.to(device) if isinstance(value, torch.Tensor) else value for value in CALLS[name]()]
    loss = getattr(ops, name)(arguments[0].requires_grad_(), *arguments[1:]).sum()
    if device.type == "cpu":
        assert torch.autograd.grad(loss, arguments[0])[0].isfinite().all()
    else:
        with pytest.raises(RuntimeError, match=f"{name}: the backward pass"):
            torch.autograd.grad(loss, arguments[0])


#: Those whose result's size follows from the shapes; of the others, NMS waits once for the number of boxes left.
NEVER_WAITING = [name for name in ON_DEVICES if "nms" not in name and name != "roi_masks_to_rle"]


@contextlib.contextmanager
def _refuse_waiting():
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NEVER_WAITING)
def test_does_not_synchronise_with_the_device(name):
    arguments = [value.cuda() if isinstance(value, torch.Tensor) else value for value in CALLS[name]()]
    if name in DIFFERENTIABLE:
        arguments[0].requires_grad_()
    with _refuse_waiting():
        result = getattr(ops, name)(*arguments)
        if name in DIFFERENTIABLE:
            result.sum().backward()
