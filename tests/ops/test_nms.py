"""NMS compared with a loop implementation of the definition."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.ops import batched_nms, nms

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if not (width > 0 and height > 0):
        return 0.0
    inter = width * height
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def slow_nms(boxes, scores, classes, threshold):
    boxes, classes, kept = boxes.double().tolist(), classes.tolist(), []
    for i in torch.sort(scores, descending=True, stable=True).indices.tolist():
        if all(classes[i] != classes[j] or not iou(boxes[i], boxes[j]) > threshold for j in kept):
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


def one_class(boxes):
    return torch.zeros(len(boxes), dtype=torch.int64)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_nms_agrees_with_the_definition(device, random_boxes, count, dtype):
    boxes, scores = random_boxes(count, dtype), torch.rand(count).to(dtype)
    found = nms(boxes.to(device), scores.to(device), 0.4)
    assert found.tolist() == slow_nms(boxes, scores, one_class(boxes), 0.4).tolist()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("classes", [1, 7, 200])
def test_batched_nms_agrees_with_the_definition(device, random_boxes, classes, dtype):
    boxes, scores, idxs = random_boxes(300, dtype), torch.rand(300).to(dtype), torch.randint(classes, (300,))
    found = batched_nms(boxes.to(device), scores.to(device), idxs.to(device), 0.3)
    assert found.tolist() == slow_nms(boxes, scores, idxs, 0.3).tolist()


@pytest.mark.parametrize("extent", [5.0, 100.0, 1000.0])
@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.5, 0.9, 1.0])
def test_many_boxes_agree_with_single_classes(device, random_boxes, extent, threshold):
    boxes, scores = random_boxes(3000, torch.float32, extent).to(device), torch.rand(3000, device=device)
    idxs = torch.randint(5, (3000,), device=device)
    parts = [(idxs == k).nonzero()[:, 0] for k in range(5)]
    kept = torch.cat([part[nms(boxes[part], scores[part], threshold)] for part in parts])
    expected = kept[scores[kept].argsort(descending=True)]
    assert torch.equal(batched_nms(boxes, scores, idxs, threshold), expected)


def test_two_thousand_boxes_agree_with_the_definition(device, random_boxes):
    boxes, scores = random_boxes(2000, torch.float32, 100.0), torch.rand(2000)
    boxes[::7, 2:] = boxes[::7, :2] + 0.01 * boxes[::7, 2:]
    found = nms(boxes.to(device), scores.to(device), 0.1)
    assert found.tolist() == slow_nms(boxes, scores, one_class(boxes), 0.1).tolist()


@pytest.mark.parametrize("classes", [1, 9])
def test_multi_threaded_nms_agrees_with_separate_rows(random_boxes, classes):
    """Twenty rows of boxes, 1000 pixels apart, yield the same result together as separately."""
    boxes, scores = random_boxes(20_000, torch.float64, 40.0), torch.rand(20_000, dtype=torch.float64)
    boxes += 1000 * torch.tensor([0.0, 1, 0, 1]) * (torch.arange(20_000) % 20)[:, None]
    idxs = torch.randint(classes, (20_000,))
    rows = [torch.arange(row, 20_000, 20) for row in range(20)]
    kept = torch.cat([row[batched_nms(boxes[row], scores[row], idxs[row], 0.4)] for row in rows])
    assert torch.equal(batched_nms(boxes, scores, idxs, 0.4), kept[scores[kept].argsort(descending=True)])


def test_nms_keeps_ties_in_input_order(device):
    boxes = torch.tensor([[0, 0, 1, 1], [5, 5, 6, 6], [0, 0, 1, 1], [9, 9, 10, 10]], dtype=torch.float32)
    assert nms(boxes.to(device), torch.zeros(4, device=device), 0.5).tolist() == [0, 1, 3]


def test_keeps_boxes_with_an_iou_equal_to_the_threshold(device):
    boxes = torch.tensor([[0, 0, 2, 1], [1, 0, 3, 1]], dtype=torch.float64, device=device)
    scores = torch.tensor([0.9, 0.8], device=device)
    assert nms(boxes, scores, 1 / 3).tolist() == [0, 1]


def test_large_and_negative_classes_do_not_interact(device):
    boxes = torch.tensor([[0, 0, 1, 1]] * 4, dtype=torch.float32, device=device)
    idxs = torch.tensor([2**62, -(2**62), 2**62, 0], device=device)
    assert batched_nms(boxes, torch.ones(4, device=device), idxs, 0.5).tolist() == [0, 1, 3]


def test_large_coordinates_keep_precision_with_many_classes(device):
    boxes = torch.tensor([[0, 0, 1, 1], [0.4, 0, 1.4, 1], [1e7, 0, 2e7, 1]], device=device)
    assert batched_nms(boxes, torch.ones(3, device=device), torch.full((3,), 79, device=device), 0.5).tolist() == [
        0,
        1,
        2,
    ]


def test_non_finite_boxes_do_not_suppress_others(device):
    nan, inf = float("nan"), float("inf")
    boxes = torch.tensor([[0, 0, 1, 1], [nan, 0, 1, 1], [0, 0, inf, inf], [1, 1, 0, 0], [0, 0, 1, 1]], device=device)
    assert nms(boxes, torch.arange(5, 0, -1.0, device=device), 0.5).tolist() == [0, 1, 2, 3]


def test_nan_is_the_highest_score(device):
    boxes = torch.tensor([[0, 0, 1, 1], [5, 5, 6, 6]], dtype=torch.float32, device=device)
    assert nms(boxes, torch.tensor([1.0, float("nan")], device=device), 0.5).tolist() == [1, 0]


def test_strided_input_yields_the_same_result(device, random_boxes):
    boxes, scores = random_boxes(50, torch.float32).to(device), torch.rand(50, device=device)
    wide = torch.zeros(50, 8, device=device)
    wide[:, ::2] = boxes
    assert torch.equal(nms(wide[:, ::2], scores, 0.5), nms(boxes, scores, 0.5))


COORDINATE = st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0, -1.0, 1e30, float("inf"), float("-inf"), float("nan")])


@given(
    rows=st.lists(
        st.tuples(st.tuples(*[COORDINATE] * 4), st.sampled_from([0.1, 0.5, 0.9]), st.integers(0, 2)), max_size=12
    ),
    threshold=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
def test_any_coordinates_agree_with_the_definition(rows, threshold):
    boxes = torch.tensor([row[0] for row in rows], dtype=torch.float64).reshape(-1, 4)
    scores, idxs = torch.tensor([row[1] for row in rows]), torch.tensor([row[2] for row in rows], dtype=torch.int64)
    assert torch.equal(batched_nms(boxes, scores, idxs, threshold), slow_nms(boxes, scores, idxs, threshold))


def test_nms_passes_opcheck(device, random_boxes):
    arguments = random_boxes(20, torch.float32).to(device), torch.rand(20, device=device), 0.5
    torch.library.opcheck(torch.ops.detectory.nms.default, arguments)


def test_batched_nms_passes_opcheck(device, random_boxes):
    idxs = torch.randint(3, (20,), device=device)
    arguments = random_boxes(20, torch.float32).to(device), torch.rand(20, device=device), idxs, 0.5
    torch.library.opcheck(torch.ops.detectory.batched_nms.default, arguments)


def test_compiles_with_a_dynamic_number_of_kept_boxes(device, random_boxes, compiles):
    boxes, scores = random_boxes(40, torch.float32).to(device), torch.rand(40, device=device)
    compiles(lambda b, s: b[nms(b, s, 0.5)] * 2, boxes, scores)


def test_exports_with_a_dynamic_number_of_boxes(device, random_boxes, exports):
    inputs = [
        (random_boxes(n, torch.float32).to(device), torch.rand(n, device=device), torch.randint(3, (n,), device=device))
        for n in (12, 31)
    ]
    count = torch.export.Dim("count", min=2)
    exports(lambda b, s, i: batched_nms(b, s, i, 0.5), *inputs, [{0: count}] * 3)


def test_autocast_computes_in_float32(device, random_boxes):
    boxes, scores = random_boxes(60).to(device, torch.float16), torch.rand(60, device=device)
    with torch.autocast(device.type, torch.bfloat16):
        found = nms(boxes, scores, 0.5)
    assert torch.equal(found, nms(boxes.float(), scores, 0.5))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.zeros(2, 5), torch.zeros(2), 0.5), ValueError, r"nms: boxes must have shape \(N, 4\), got \(2, 5\)"),
        ((torch.zeros(2, 4), torch.zeros(3), 0.5), ValueError, "nms: scores must have one entry per box, got 3 for 2"),
        (
            (torch.zeros(2, 4).long(), torch.zeros(2), 0.5),
            TypeError,
            "nms: boxes must have floating dtype, got torch.int64",
        ),
        ((torch.zeros(2, 4), torch.zeros(2), 1.5), ValueError, r"nms: iou_threshold must be in \[0, 1\], got 1.5"),
        (([[0, 0, 1, 1]], torch.zeros(1), 0.5), TypeError, "nms: boxes must be a tensor, got list"),
    ],
    ids=["columns", "lengths", "dtype", "threshold", "list"],
)
def test_rejects_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        nms(*arguments)
