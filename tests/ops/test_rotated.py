"""Rotated boxes compared with polygon clipping."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.ops import batched_nms_rotated, nms_rotated, pairwise_iou, pairwise_iou_rotated

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def corners(box):
    cx, cy, w, h, angle = box
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    offsets = [(-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2)]
    return [(cx + x * c + y * s, cy - x * s + y * c) for x, y in offsets]


def cut(polygon, start, end):
    """Return the part of a polygon on the inner side of the line from start to end."""

    def side(p):
        return (end[0] - start[0]) * (p[1] - start[1]) - (end[1] - start[1]) * (p[0] - start[0])

    kept = []
    for p, q in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if side(p) >= 0:
            kept.append(p)
        if side(p) * side(q) < 0:
            t = side(p) / (side(p) - side(q))
            kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
    return kept


def slow_iou(a, b):
    if min(*a[2:4], *b[2:4]) <= 0 or not all(map(math.isfinite, [*a, *b])):
        return 0.0
    polygon, other = corners(a), corners(b)
    for start, end in zip(other, other[1:] + other[:1], strict=True):
        polygon = cut(polygon, start, end)
    pairs = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    inter = sum(p[0] * q[1] - p[1] * q[0] for p, q in pairs) / 2
    return inter / (a[2] * a[3] + b[2] * b[3] - inter)


def slow_nms(boxes, scores, classes, threshold):
    boxes, kept = boxes.tolist(), []
    for i in torch.sort(scores, descending=True, stable=True).indices.tolist():
        if all(classes[i] != classes[j] or slow_iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


def random_rotated(count, dtype=torch.float64):
    low, high = torch.tensor([0, 0, 0.1, 0.1, -400.0]), torch.tensor([10, 10, 10, 10, 400.0])
    return (low + torch.rand(count, 5) * (high - low)).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (1, 1), (30, 41)], ids=str)
def test_iou_agrees_with_clipped_polygons(device, dtype, sizes):
    boxes1, boxes2 = (random_rotated(size, dtype) for size in sizes)
    result = pairwise_iou_rotated(boxes1.to(device), boxes2.to(device))
    expected = torch.tensor([[slow_iou(a, b) for b in boxes2.tolist()] for a in boxes1.tolist()], dtype=dtype)
    assert result.dtype == dtype
    torch.testing.assert_close(result.cpu(), expected.reshape(sizes))


@pytest.mark.parametrize("turn", [0.0, 90.0, 180.0, 360.0, 1e-3, 1e-6, 1e-8, 1e-10, -1e-9])
@pytest.mark.parametrize("angle", [0.0, 30.0, 45.0, 90.0, -123.4])
def test_tiny_and_full_rotations_overlap_fully(device, angle, turn):
    boxes = torch.tensor([[5, 5, 4, 4, angle], [5, 5, 4, 4, angle + turn]], dtype=torch.float64, device=device)
    assert pairwise_iou_rotated(boxes, boxes).min() > 1 - 1e-4


def test_right_angles_agree_with_axis_aligned_boxes(device):
    upright = torch.tensor([[0, 0, 4, 2], [1, 1, 3, 5], [4, 0, 6, 2]], dtype=torch.float64, device=device)
    sides, centres = upright[:, 2:] - upright[:, :2], (upright[:, 2:] + upright[:, :2]) / 2
    rotated = torch.cat([centres, sides, torch.zeros(3, 1, device=device)], 1)
    turned = torch.cat([centres, sides.flip(1), torch.full((3, 1), 90.0, device=device)], 1)
    torch.testing.assert_close(pairwise_iou_rotated(rotated, turned), pairwise_iou(upright, upright))


VALUE = st.floats(-100, 100, width=32) | st.sampled_from([0.0, 1e-20, 1e30, float("inf"), float("nan")])


@given(boxes=st.lists(st.tuples(*[VALUE] * 5), max_size=6))
def test_any_boxes_yield_a_symmetric_iou_between_zero_and_one(boxes):
    boxes = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 5)
    result = pairwise_iou_rotated(boxes, boxes)
    assert ((result >= 0) & (result <= 1 + 1e-6)).all()
    torch.testing.assert_close(result, result.T, atol=1e-5, rtol=0)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("classes", [1, 4])
def test_nms_agrees_with_the_definition(device, classes, threshold):
    boxes, scores, idxs = random_rotated(120), torch.rand(120), torch.randint(classes, (120,))
    result = batched_nms_rotated(boxes.to(device), scores.to(device), idxs.to(device), threshold)
    assert result.tolist() == slow_nms(boxes, scores, idxs.tolist(), threshold)


@pytest.mark.parametrize("count", [0, 1, 2000])
def test_nms_keeps_boxes_without_a_better_overlapping_box(device, count):
    boxes, scores = random_rotated(count).to(device), torch.rand(count, device=device)
    boxes[:, :2] *= 20
    order = nms_rotated(boxes, scores, 0.3)
    assert torch.equal(scores[order], scores[order].sort(descending=True).values)
    assert pairwise_iou_rotated(boxes[order], boxes[order]).fill_diagonal_(0).sum(1).numel() == len(order)
    ious = pairwise_iou_rotated(boxes[order], boxes)
    better = scores[order][:, None] >= scores
    assert ((ious > 0.3) & better).any(0).sum() == count


def test_multi_threaded_nms_agrees_with_separate_parts():
    boxes, scores = random_rotated(6000), torch.rand(6000, dtype=torch.float64)
    boxes[:, 1] += 100 * (torch.arange(6000) % 12)
    parts = [torch.arange(part, 6000, 12) for part in range(12)]
    kept = torch.cat([part[nms_rotated(boxes[part], scores[part], 0.3)] for part in parts])
    assert torch.equal(nms_rotated(boxes, scores, 0.3), kept[scores[kept].argsort(descending=True)])


def test_ties_keep_the_input_order(device):
    boxes = torch.tensor([[0, 0, 2, 2, 0], [9, 9, 2, 2, 5], [0, 0, 2, 2, 90]], dtype=torch.float32, device=device)
    assert nms_rotated(boxes, torch.ones(3, device=device), 0.5).tolist() == [0, 1]


def test_rotated_operators_pass_opcheck(device):
    boxes, scores, idxs = random_rotated(9).to(device), torch.rand(9, device=device), torch.arange(9, device=device) % 2
    ops = torch.ops.detectory
    torch.library.opcheck(ops.pairwise_iou_rotated.default, (boxes, boxes[:4]))
    torch.library.opcheck(ops.nms_rotated.default, (boxes, scores, 0.5))
    torch.library.opcheck(ops.batched_nms_rotated.default, (boxes, scores, idxs, 0.5))


def test_compiles_with_dynamic_sizes(device, compiles):
    boxes, scores = random_rotated(20).to(device), torch.rand(20, device=device)
    compiles(lambda b, s: pairwise_iou_rotated(b, b[nms_rotated(b, s, 0.5)]), boxes, scores)


def test_exports_with_a_dynamic_number_of_boxes(device, exports):
    inputs = [(random_rotated(n).to(device), torch.rand(n, device=device)) for n in (7, 12)]
    count = torch.export.Dim("count", min=2)
    exports(lambda b, s: nms_rotated(b, s, 0.5), *inputs, [{0: count}] * 2)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (
            pairwise_iou_rotated,
            (torch.zeros(1, 4), torch.zeros(1, 5)),
            r"boxes1 must have shape \(N, 5\)",
        ),
        (nms_rotated, (torch.zeros(2, 4), torch.zeros(2), 0.5), r"nms_rotated: boxes must have shape \(N, 5\)"),
        (nms_rotated, (torch.zeros(2, 5), torch.zeros(2), -1), r"iou_threshold must be in \[0, 1\], got -1"),
    ],
    ids=["iou", "nms", "threshold"],
)
def test_rejects_wrong_arguments(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
