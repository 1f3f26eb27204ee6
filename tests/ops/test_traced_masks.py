"""Mask, matching and loss operators under opcheck, compilation and export with dynamic sizes."""

import pytest
import torch

from detectory.ops import paste_masks, sigmoid_focal_loss

OPS = torch.ops.detectory


def regions(count):
    boxes = torch.rand(count, 4) * 20
    boxes[:, 2:] += boxes[:, :2]
    return torch.rand(count, 7, 7), boxes


def runs(count):
    return OPS.rle_encode(torch.rand(count, 12, 15) < 0.5)


def polygons():
    """Return three objects with one, two and zero polygons."""
    return torch.rand(9, 2, dtype=torch.float64) * 20, torch.tensor([0, 3, 6, 9]), torch.tensor([0, 1, 3, 3])


def sizes(count):
    return torch.tensor([[12, 15]]).repeat(count, 1)


def flags(*shape):
    return torch.rand(shape) < 0.3


def pairs(dts, gts):
    return torch.tensor([0, 1, dts]), torch.tensor([0, 2, gts])


def focal():
    logits = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    return logits, (torch.rand(5, 6) < 0.5).double()


CALLS = {
    "paste_masks": lambda: (*regions(4), 20, 30, 0.5),
    "paste_masks soft": lambda: (*regions(4), 20, 30, -1.0),
    "roi_masks_to_rle": lambda: (*regions(4), 20, 30, 0.5),
    "polygons_to_masks": lambda: (*polygons(), 20, 30),
    "polygons_to_rle": lambda: (*polygons(), sizes(3)),
    "rasterize_polygons_within_boxes": lambda: (*polygons(), torch.tensor([0, 1, 1, 2]), regions(4)[1], 7),
    "rle_encode": lambda: (torch.rand(3, 12, 15) < 0.5,),
    "rle_decode": lambda: (*runs(3), 12, 15),
    "rle_area": lambda: runs(3),
    "rle_to_bbox": lambda: (*runs(3), sizes(3)),
    "rle_merge": lambda: (*runs(5), torch.tensor([0, 2, 5]), False),
    "rle_to_string": lambda: runs(3),
    "rle_from_string": lambda: OPS.rle_to_string(*runs(3)),
    "rle_iou": lambda: (*runs(3), sizes(3), *runs(4), sizes(4), flags(4), *pairs(3, 4)),
    "grouped_box_iou": lambda: (torch.rand(3, 4), torch.rand(4, 4), flags(4), *pairs(3, 4)),
    "coco_match": lambda: (torch.rand(6), torch.rand(5), *pairs(3, 4), flags(2, 3), flags(2, 4), flags(4)),
    "sigmoid_focal_loss": lambda: (*focal(), 0.25, 2.0, False),
    "sigmoid_focal_loss total": lambda: (*focal(), 0.25, 2.5, True),
    "sigmoid_focal_loss_backward": lambda: (torch.rand(5, 6).double(), *(x.detach() for x in focal()), 0.25, 2.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_passes_opcheck(name):
    torch.library.opcheck(getattr(OPS, name.split()[0]).default, CALLS[name]())


@pytest.mark.parametrize("name", CALLS)
def test_compiles_into_one_dynamic_graph(compiles, name):
    arguments = CALLS[name]()
    tensors = [value for value in arguments if isinstance(value, torch.Tensor)]
    others = [value for value in arguments if not isinstance(value, torch.Tensor)]
    operator = getattr(OPS, name.split()[0])
    compiles(lambda *values: operator(*values, *others), *tensors)


@pytest.mark.parametrize("function", [paste_masks, sigmoid_focal_loss])
def test_python_functions_compile_into_one_graph(compiles, function):
    if function is paste_masks:
        compiles(lambda masks, boxes: paste_masks(masks, boxes, (20, 30)), *regions(4))
    else:
        compiles(lambda x, t: sigmoid_focal_loss(x, t, reduction="mean"), *focal())


def test_exports_pasting_with_any_number_of_masks(exports):
    count = torch.export.Dim("count", min=0)
    exports(lambda masks, boxes: paste_masks(masks, boxes, (20, 30)), regions(3), regions(8), ({0: count}, {0: count}))


def test_exports_the_focal_loss_with_any_number_of_rows(exports):
    rows = torch.export.Dim("rows")
    others = torch.randn(9, 6).double(), torch.ones(9, 6).double()
    exports(sigmoid_focal_loss, focal(), others, ({0: rows}, {0: rows}))


def test_exports_encoding_with_any_number_of_masks(exports):
    masks = torch.rand(9, 12, 15) < 0.5
    exports(OPS.rle_encode, (masks[:3],), (masks,), ({0: torch.export.Dim("count")},))


@pytest.mark.parametrize("name", CALLS)
def test_deterministic_mode_is_reproducible(name):
    arguments, operator = CALLS[name](), getattr(OPS, name.split()[0])
    torch.use_deterministic_algorithms(True)
    try:
        first, second = operator(*arguments), operator(*arguments)
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_autocast_computes_in_float32(dtype):
    masks, boxes = regions(3)
    with torch.autocast("cpu", dtype):
        pasted = paste_masks(masks.to(dtype), boxes, (20, 30))
    assert torch.equal(pasted, paste_masks(masks.to(dtype).float(), boxes, (20, 30)))


def test_operators_reject_offsets_out_of_range():
    counts, offsets = OPS.rle_encode(torch.ones(2, 3, 3))
    for broken in (offsets + 1, offsets.flip(0), offsets * 2, offsets[:0]):
        with pytest.raises(RuntimeError, match="offset"):
            OPS.rle_area(counts, broken)


def test_operators_reject_runs_beyond_the_image():
    with pytest.raises(RuntimeError, match="sum to 9, not to 8"):
        OPS.rle_decode(*OPS.rle_encode(torch.ones(2, 3, 3)), 2, 4)
