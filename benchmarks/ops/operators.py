"""Every operator at one size, compared with its lower bound (`bench_operators.py`) or another build (`against.py`).

The lower bound is the time to read each byte of the arguments once and write each byte of the result once, or to
execute the necessary operations. Both are counted from the shapes and, if the work depends on them, the values; counts
are underestimated if in doubt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from benchmarks.ops import inputs

from detectory import ops


@dataclass(frozen=True)
class Case:
    """One call of an operator, with the arguments that it reads and its number of floating-point operations."""

    call: Callable[[], Any]
    reads: Any
    operations: Callable[[Any], float] = lambda _: 0.0


OPERATORS: dict[str, Callable[[], Case]] = {}


def operator(name: str) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Register a function that creates a case, under a name that contains its size."""

    def register(make: Callable[[], Case]) -> Callable[[], Case]:
        OPERATORS[name] = make
        return make

    return register


def size_in_bytes(value: Any) -> int:
    """Return the size of the tensors, arrays and strings in a value, in bytes."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, Mapping):
        return sum(map(size_in_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_in_bytes, value))
    return len(value) if isinstance(value, bytes) else getattr(value, "nbytes", 0)


def with_gradient(function: Callable[..., torch.Tensor], *wanted: torch.Tensor) -> Case:
    """Return a case of forward and backward, which also reads the output gradient and writes the input gradients."""
    leaves = [tensor.clone().requires_grad_() for tensor in wanted]

    def call() -> Any:
        found = function(*leaves)
        return found.detach(), torch.autograd.grad(found.sum(), leaves)

    return Case(call, leaves)


@operator("pairwise_iou 100 x 200,000")
def _iou() -> Case:
    first, second = inputs.upright(100)[0], inputs.upright(200_000)[0]
    # Per pair: two maxima, two minima, two differences, two clamps, a product, a sum, a difference, a quotient.
    return Case(lambda: ops.pairwise_iou(first, second), (first, second), lambda _: 12 * 100 * 200_000)


@operator("pairwise_giou 100 x 200,000")
def _giou() -> Case:
    first, second = inputs.upright(100)[0], inputs.upright(200_000)[0]
    return Case(lambda: ops.pairwise_giou(first, second), (first, second), lambda _: 22 * 100 * 200_000)


def _suppression(boxes: torch.Tensor, *rest: torch.Tensor, function: Callable, pair: int) -> Case:
    """Return the minimum number of comparisons: one per removed box and per pair of overlapping kept boxes."""

    def operations(kept: torch.Tensor) -> float:
        left = boxes[kept]
        if boxes.shape[1] == 5:
            radius = left[:, 2:4].norm(dim=1) / 2
            meet = torch.cdist(left[:, :2], left[:, :2]) < radius + radius[:, None]
        else:
            meet = ops.pairwise_iou(left, left) > 0
        if len(rest) > 1:
            meet &= rest[1][kept] == rest[1][kept][:, None]
        return pair * (len(boxes) - len(kept) + int(meet.triu(1).sum()))

    return Case(lambda: function(boxes, *rest, 0.5), (boxes, *rest), operations)


@operator("nms 1,000")
def _nms_small() -> Case:
    return _suppression(*inputs.upright(1_000)[:2], function=ops.nms, pair=12)


@operator("nms 10,000")
def _nms() -> Case:
    return _suppression(*inputs.upright(10_000)[:2], function=ops.nms, pair=12)


@operator("batched_nms 10,000, 80 classes")
def _batched_nms() -> Case:
    return _suppression(*inputs.upright(10_000), function=ops.batched_nms, pair=12)


# Clipping a rectangle by another: four corners, each on the inner or outer side of four lines.
_CLIP = 16 * 7


@operator("pairwise_iou_rotated 500 x 2,000")
def _iou_rotated() -> Case:
    first, second = inputs.rotated(500), inputs.rotated(2000)
    return Case(
        lambda: ops.pairwise_iou_rotated(first, second),
        (first, second),
        lambda found: _CLIP * int((found > 0).sum()) + 6 * found.numel(),
    )


@operator("nms_rotated 2,000")
def _nms_rotated() -> Case:
    scores = inputs.upright(2_000)[1]
    return _suppression(inputs.rotated(2_000), scores, function=ops.nms_rotated, pair=_CLIP)


@operator("batched_nms_rotated 2,000, 80 classes")
def _batched_nms_rotated() -> Case:
    _, scores, classes = inputs.upright(2_000)
    return _suppression(inputs.rotated(2_000), scores, classes, function=ops.batched_nms_rotated, pair=_CLIP)


def _pooled(rois: torch.Tensor, scale: float) -> float:
    """Return the minimum number of operations: one multiply-add per pixel of a region and channel."""
    sides = (rois[:, 3:5] - rois[:, 1:3]) * scale if rois.shape[1] == 5 else rois[:, 3:5] * scale
    return 2 * 256 * float(sides.prod(1).sum())


def _roi_align(layout: torch.memory_format = torch.contiguous_format) -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.rand(2, 256, 50, 68, generator=inputs.seeded()).contiguous(memory_format=layout)
    return features, inputs.regions_of(68, 50, 1 / 16, 300)


@operator("roi_align 512 regions, 256 channels, forward")
def _roi_align_forward() -> Case:
    features, rois = _roi_align()
    return Case(lambda: ops.roi_align(features, rois, 7, 1 / 16), (features, rois), lambda _: _pooled(rois, 1 / 16))


@operator("roi_align 512 regions, 256 channels, channels_last")
def _roi_align_channels_last() -> Case:
    features, rois = _roi_align(torch.channels_last)
    return Case(lambda: ops.roi_align(features, rois, 7, 1 / 16), (features, rois), lambda _: _pooled(rois, 1 / 16))


@operator("roi_align 512 regions, 256 channels, forward + backward")
def _roi_align_backward() -> Case:
    features, rois = _roi_align()
    case = with_gradient(lambda x: ops.roi_align(x, rois, 7, 1 / 16), features)
    return Case(case.call, (case.reads, rois), lambda _: 2 * _pooled(rois, 1 / 16))


@operator("roi_align_rotated 512 regions, forward")
def _roi_align_rotated() -> Case:
    features, rois = _roi_align()
    rois = inputs.turned(rois)
    call = lambda: ops.roi_align_rotated(features, rois, 7, 1 / 16)  # noqa: E731
    return Case(call, (features, rois), lambda _: _pooled(rois, 1 / 16))


@operator("roi_align_rotated 512 regions, forward + backward")
def _roi_align_rotated_backward() -> Case:
    features, rois = _roi_align()
    rois = inputs.turned(rois)
    case = with_gradient(lambda x: ops.roi_align_rotated(x, rois, 7, 1 / 16), features)
    return Case(case.call, (case.reads, rois), lambda _: 2 * _pooled(rois, 1 / 16))


def _convolution() -> list[torch.Tensor]:
    generator = inputs.seeded()
    input, offset = (torch.randn(2, c, 50, 68, generator=generator) for c in (256, 18))
    weight = torch.randn(256, 256, 3, 3, generator=generator) / 48
    return [input, offset, weight, torch.rand(2, 9, 50, 68, generator=generator)]


def _deform_conv2d(input: torch.Tensor, offset: torch.Tensor, weight: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return ops.deform_conv2d(input, offset, weight, None, 1, 1, 1, mask)


# The matrix product, and 4 multiply-adds and the mask per tap.
_CONVOLVED = 2 * 50 * 68 * 256 * 9 * (2 * 256 + 9)


@operator("deform_conv2d 2 x 256 x 50 x 68, forward")
def _deform_conv_forward() -> Case:
    tensors = _convolution()
    return Case(lambda: _deform_conv2d(*tensors), tensors, lambda _: _CONVOLVED)


@operator("deform_conv2d 2 x 256 x 50 x 68, forward + backward")
def _deform_conv_backward() -> Case:
    case = with_gradient(_deform_conv2d, *_convolution())
    return Case(case.call, case.reads, lambda _: 3 * _CONVOLVED)


@operator("winograd_conv2d 1 x 256 x 120 x 160")
def _winograd() -> Case:
    generator = torch.Generator().manual_seed(0)
    input = torch.randn(1, 256, 120, 160, generator=generator).contiguous(memory_format=torch.channels_last)
    weight = ops.winograd_weight(torch.randn(256, 256, 3, 3, generator=generator) / 48)
    # 36 products over the channels per tile of 4 x 4 pixels.
    multiplied = 2 * 36 * 30 * 40 * 256 * 256
    return Case(lambda: ops.winograd_conv2d(input, weight, None, 256), (input, weight), lambda _: multiplied)


# Queries, heads, levels, points and channels; a sample is 4 multiply-adds and its weight.
_ATTENDED = 17_821 * 8 * 4 * 4 * 32 * 10


@operator("ms_deform_attn 17,821 queries, forward")
def _attention_forward() -> Case:
    tensors = inputs.attention()
    return Case(lambda: ops.ms_deform_attn(*tensors), tensors, lambda _: _ATTENDED)


@operator("ms_deform_attn 17,821 queries, forward + backward")
def _attention_backward() -> Case:
    value, shapes, starts, locations, weights = inputs.attention()
    case = with_gradient(lambda v, x, w: ops.ms_deform_attn(v, shapes, starts, x, w), value, locations, weights)
    return Case(case.call, case.reads, lambda _: 3 * _ATTENDED)


@operator("point_sample 2 x 256 x 200 x 272, 12,544 points")
def _points() -> Case:
    features = torch.rand(2, 256, 200, 272, generator=inputs.seeded())
    points = torch.rand(2, 12_544, 2, generator=inputs.seeded(1))
    # The four neighbours of each point are read.
    touched = features.flatten()[: min(features.numel(), 4 * 2 * 12_544 * 256)]
    return Case(lambda: ops.point_sample(features, points), (touched, points), lambda found: 8 * found.numel())


def _focal() -> tuple[torch.Tensor, torch.Tensor]:
    logits = torch.randn(200_000, 80, generator=inputs.seeded()) - 4
    return logits, (torch.rand(logits.shape, generator=inputs.seeded(1)) < 0.001).float()


# An exponential and a logarithm, each a polynomial of at least degree five, and the rest of the formula.
_ENTROPY = 30 * 200_000 * 80


@operator("sigmoid_focal_loss 200,000 x 80, sum, forward")
def _focal_forward() -> Case:
    logits, targets = _focal()
    return Case(lambda: ops.sigmoid_focal_loss(logits, targets, reduction="sum"), (logits, targets), lambda _: _ENTROPY)


@operator("sigmoid_focal_loss 200,000 x 80, sum, forward + backward")
def _focal_backward() -> Case:
    logits, targets = _focal()
    case = with_gradient(lambda x: ops.sigmoid_focal_loss(x, targets, reduction="sum"), logits)
    return Case(case.call, (case.reads, targets, case.reads, targets), lambda _: 2 * _ENTROPY)


@operator("paste_masks 100, 28 x 28 to 800 x 1200")
def _paste() -> Case:
    masks, boxes = inputs.predicted_masks()
    return Case(lambda: ops.paste_masks(masks, boxes, (800, 1200)), (masks, boxes))


@operator("roi_masks_to_rle 100, 28 x 28 to 800 x 1200")
def _to_rle() -> Case:
    masks, boxes = inputs.predicted_masks()
    # Each pixel column of a box interpolates 28 cells.
    columns = float((boxes[:, 2].clamp(0, 1200) - boxes[:, 0].clamp(0, 1200)).sum())
    return Case(lambda: ops.roi_masks_to_rle(masks, boxes, (800, 1200)), (masks, boxes), lambda _: 3 * 28 * columns)


@operator("rle_encode 100 x 800 x 1200")
def _encode() -> Case:
    masks = inputs.blobs(100, 800, 1200)
    return Case(lambda: ops.rle_encode(masks), masks)


@operator("rle_decode 100 x 800 x 1200")
def _decode() -> Case:
    rles = ops.rle_encode(inputs.blobs(100, 800, 1200))
    return Case(lambda: ops.rle_decode(rles), rles)


@operator("rle_area and rle_to_bbox 100")
def _area() -> Case:
    rles = ops.rle_encode(inputs.blobs(100, 800, 1200))
    return Case(lambda: (ops.rle_area(rles), ops.rle_to_bbox(rles)), rles)


@operator("rle_iou 100 x 100")
def _rle_iou() -> Case:
    masks = inputs.blobs(100, 800, 1200)
    rles, shifted = ops.rle_encode(masks), ops.rle_encode(masks.roll((13, 29), (1, 2)))
    return Case(lambda: ops.rle_iou(rles, shifted), (rles, shifted))


@operator("rle_merge 100")
def _merge() -> Case:
    rles = ops.rle_encode(inputs.blobs(100, 800, 1200))
    return Case(lambda: ops.rle_merge(rles), rles)


@operator("polygons_to_mask 50 objects, 640 x 640")
def _polygons_to_mask() -> Case:
    objects = inputs.outlines(50, 640)
    return Case(lambda: [ops.polygons_to_mask(polygons, 640, 640) for polygons in objects], objects)


@operator("polygon_sets_to_rles 50 objects, 640 x 640")
def _polygons_to_rle() -> Case:
    objects = inputs.outlines(50, 640)
    return Case(lambda: ops.polygon_sets_to_rles(objects, [(640, 640)] * 50), objects)


@operator("rasterize_polygons_within_boxes 128 boxes, 28 x 28")
def _within_boxes() -> Case:
    objects, indices = inputs.outlines(20, 640), torch.randint(20, (128,), generator=inputs.seeded())
    corners = [polygons[0].reshape(-1, 2) for polygons in objects]
    boxes = torch.tensor([[*points.min(0), *points.max(0)] for points in corners])[indices]
    call = lambda: ops.rasterize_polygons_within_boxes(objects, boxes, 28, indices)  # noqa: E731
    return Case(call, (objects, boxes, indices))


def _groups() -> tuple[torch.Tensor, torch.Tensor]:
    """Return 5,000 groups of 0 to 11 detections and 0 to 3 ground truths."""
    counts = [torch.randint(high, (5_000,), generator=inputs.seeded(high)) for high in (12, 4)]
    return tuple(torch.cat([count.new_zeros(1), count.cumsum(0)]) for count in counts)


@operator("grouped_box_iou 5,000 groups")
def _grouped_iou() -> Case:
    dt_groups, gt_groups = _groups()
    dt, gt = (torch.rand(int(cuts[-1]), 4, generator=inputs.seeded()).double() for cuts in (dt_groups, gt_groups))
    call = lambda: ops.grouped_box_iou(dt, gt, None, dt_groups, gt_groups)  # noqa: E731
    return Case(call, (dt, gt, dt_groups, gt_groups), lambda found: 12 * found.numel())


@operator("coco_match 5,000 groups, 10 thresholds, 4 areas")
def _match() -> Case:
    dt_groups, gt_groups = _groups()
    dts, gts = int(dt_groups[-1]), int(gt_groups[-1])
    generator, thresholds = inputs.seeded(), torch.linspace(0.5, 0.95, 10, dtype=torch.float64)
    ious = torch.rand(int((dt_groups.diff() * gt_groups.diff()).sum()), generator=generator).double()
    outside, ignore, crowd = (torch.rand(shape, generator=generator) < 0.1 for shape in ((4, dts), (4, gts), (gts,)))
    arguments = ious, thresholds, dt_groups, gt_groups, outside, ignore, crowd
    return Case(lambda: ops.coco_match(*arguments), arguments)
