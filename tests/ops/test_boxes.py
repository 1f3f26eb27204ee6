"""Pairwise overlaps compared with loops over pairs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.ops import pairwise_giou, pairwise_ioa, pairwise_iou


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def intersection(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def slow_iou(a, b):
    inter = intersection(a, b)
    return inter / (area(a) + area(b) - inter) if inter > 0 else 0.0


def slow_ioa(a, b):
    inter = intersection(a, b)
    return inter / area(b) if inter > 0 else 0.0


def slow_giou(a, b):
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    joint = area(a) + area(b) - intersection(a, b)
    return slow_iou(a, b) - (hull - joint) / hull if hull > 0 else 0.0


PAIRS = [
    pytest.param(pairwise_iou, slow_iou, id="iou"),
    pytest.param(pairwise_ioa, slow_ioa, id="ioa"),
    pytest.param(pairwise_giou, slow_giou, id="giou"),
]


def slow(function, boxes1, boxes2):
    rows = [[function(a, b) for b in boxes2.tolist()] for a in boxes1.tolist()]
    return torch.tensor(rows, dtype=torch.float64).reshape(len(boxes1), len(boxes2))


@pytest.mark.parametrize(("fast", "reference"), PAIRS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_agrees_with_a_loop_over_pairs(device, random_boxes, fast, reference, dtype):
    boxes1, boxes2 = random_boxes(37, dtype), random_boxes(51, dtype)
    result = fast(boxes1.to(device), boxes2.to(device))
    assert result.dtype == dtype
    torch.testing.assert_close(result.cpu(), slow(reference, boxes1, boxes2).to(dtype))


@pytest.mark.parametrize(("fast", "reference"), PAIRS)
@pytest.mark.parametrize("sizes", [(0, 0), (0, 3), (3, 0), (1, 1)], ids=str)
def test_empty_and_single_sets_keep_their_shape(device, random_boxes, fast, reference, sizes):
    boxes1, boxes2 = (random_boxes(size, torch.float32).to(device) for size in sizes)
    assert fast(boxes1, boxes2).shape == sizes


@pytest.mark.parametrize(("fast", "reference"), PAIRS)
def test_rejects_boxes_with_five_columns(fast, reference):
    with pytest.raises(ValueError, match=r"boxes2 must have shape \(M, 4\), got \(2, 5\)"):
        fast(torch.zeros(1, 4), torch.zeros(2, 5))


@pytest.mark.parametrize(("fast", "reference"), PAIRS)
def test_gradients_agree_with_finite_differences(device, random_boxes, fast, reference):
    boxes1, boxes2 = random_boxes(6).to(device).requires_grad_(), random_boxes(5).to(device).requires_grad_()
    torch.autograd.gradcheck(fast, (boxes1, boxes2))


COORDINATE = st.sampled_from([0.0, 1.0, 2.5, -1.0, 1e-30, 1e30, float("inf"), float("-inf"), float("nan")])
BOXES = st.lists(st.tuples(*[COORDINATE] * 4), max_size=5)


@pytest.mark.parametrize("fast", [pairwise_iou, pairwise_ioa], ids=["iou", "ioa"])
@given(first=BOXES, second=BOXES)
def test_any_coordinates_yield_an_overlap_between_zero_and_one(fast, first, second):
    boxes1, boxes2 = (torch.tensor(rows, dtype=torch.float64).reshape(-1, 4) for rows in (first, second))
    result = fast(boxes1, boxes2)
    assert result.shape == (len(first), len(second))
    assert ((result >= 0) & (result <= 1)).all()


@pytest.mark.parametrize("name", ["pairwise_iou", "pairwise_ioa", "pairwise_giou"])
def test_passes_opcheck(device, random_boxes, name):
    boxes = [random_boxes(count).to(device).requires_grad_() for count in (4, 3)]
    torch.library.opcheck(getattr(torch.ops.detectory, name).default, boxes)


@pytest.mark.parametrize(("fast", "reference"), PAIRS)
def test_compiles_forward_and_backward(device, random_boxes, compiles, fast, reference):
    compiles(fast, *(random_boxes(count).to(device).requires_grad_() for count in (4, 3)))


@pytest.mark.parametrize(("fast", "reference"), PAIRS)
def test_exports_with_dynamic_numbers_of_boxes(device, random_boxes, exports, fast, reference):
    inputs = [[random_boxes(count).to(device) for count in counts] for counts in ((4, 3), (2, 5))]
    exports(fast, *inputs, [{0: torch.export.Dim("N")}, {0: torch.export.Dim("M")}])


@pytest.mark.parametrize(("fast", "reference"), PAIRS)
def test_autocast_computes_in_float32(device, random_boxes, fast, reference):
    boxes = random_boxes(5).half().to(device)
    with torch.autocast(device.type, torch.bfloat16):
        assert fast(boxes, boxes).dtype == torch.float32
