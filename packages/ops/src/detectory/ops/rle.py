"""Run-length encoded masks in COCO's format: encode, decode, measure, compare, merge.

A mask is a COCO dict `{"size": [height, width], "counts": ...}`. What comes out has compressed `bytes` as counts; what
goes in may also have `str` or an uncompressed list of integers. Results equal pycocotools' to the bit. Run lengths live
in the host's memory: results are CPU tensors, and CUDA masks are copied to the host first.

The operators beneath, `torch.ops.detectory.rle_*`, take and give tensors: `counts` (flat int32, the run lengths of all
masks in column-major pixel order, background first) and `offsets` (N + 1, int64), so that mask n has
`counts[offsets[n]:offsets[n + 1]]`.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its annotation format.
"""

from collections.abc import Mapping, Sequence

import torch

from detectory.ops._arguments import check_tensor
from detectory.ops._groups import check_groups, crowd_flags
from detectory.ops._library import ops
from detectory.ops._rle_tensors import RLE, as_list, check_totals, rle_dicts, rle_tensors


def rle_encode(masks: torch.Tensor) -> RLE | list[RLE]:
    """Encode masks.

    Args:
        masks: (H, W) or (N, H, W) of any dtype, foreground where not 0. Row-major masks and column-major ones (strides
            `(H * W, 1, H)`) are read where they lie. Fewer than 2^31 pixels a mask.

    Returns:
        One COCO dict for (H, W), a list of N for (N, H, W); counts are compressed bytes.

    Raises:
        TypeError: not a tensor.
        ValueError: neither two nor three dimensions, or too large.

    Example:
        >>> rle_encode(torch.tensor([[0, 1], [1, 1]]))
        {'size': [2, 2], 'counts': b'13'}
    """
    single = isinstance(masks, torch.Tensor) and masks.dim() == 2
    check_tensor("rle_encode", "masks", masks, "" if single else "(N, H, W)", "any")
    height, width = masks.shape[-2:]
    if height * width >= 2**31:
        raise ValueError(f"rle_encode: masks must have fewer than 2^31 pixels, got {height} x {width}")
    pixels = (masks.unsqueeze(0) if single else masks).cpu()
    counts, offsets = ops.rle_encode(pixels)
    rles = rle_dicts(counts, offsets, [(height, width)] * pixels.shape[0])
    return rles[0] if single else rles


def rle_decode(rles: Mapping[str, object] | Sequence[Mapping[str, object]]) -> torch.Tensor:
    """Decode masks.

    Args:
        rles: One COCO dict, or a list of them that share one size.

    Returns:
        (H, W) bool for one dict, (N, H, W) for a list; an empty list gives (0, 0, 0).

    Raises:
        TypeError: not COCO dicts.
        ValueError: faulty counts, counts that do not sum to the mask's size, or masks of different sizes.
    """
    counts, offsets, sizes = rle_tensors("rle_decode", "rles", as_list(rles))
    if len(sizes) and bool((sizes != sizes[0]).any()):
        odd = int((sizes != sizes[0]).any(1).int().argmax())
        raise ValueError(
            f"rle_decode: rles must share one size, got {sizes[0].tolist()} and, at {odd}, {sizes[odd].tolist()}"
        )
    check_totals("rle_decode", "rles", counts, offsets, sizes)
    height, width = sizes[0].tolist() if len(sizes) else (0, 0)
    masks = ops.rle_decode(counts, offsets, height, width)
    return masks[0] if isinstance(rles, Mapping) else masks


def rle_area(rles: Mapping[str, object] | Sequence[Mapping[str, object]]) -> torch.Tensor:
    """Count the pixels of masks.

    Args:
        rles: One COCO dict or a list of them, of any sizes.

    Returns:
        int64, () for one dict, (N,) for a list.

    Raises:
        TypeError: not COCO dicts.
        ValueError: faulty counts.
    """
    counts, offsets, _ = rle_tensors("rle_area", "rles", as_list(rles))
    areas = ops.rle_area(counts, offsets)
    return areas[0] if isinstance(rles, Mapping) else areas


def rle_to_bbox(rles: Mapping[str, object] | Sequence[Mapping[str, object]]) -> torch.Tensor:
    """Find the tight boxes around masks.

    Args:
        rles: One COCO dict or a list of them, of any sizes.

    Returns:
        float64 COCO boxes `(x, y, width, height)`, (4,) for one dict, (N, 4) for a list; zeros for an empty mask.

    Raises:
        TypeError: not COCO dicts.
        ValueError: faulty counts.
    """
    counts, offsets, sizes = rle_tensors("rle_to_bbox", "rles", as_list(rles))
    boxes = ops.rle_to_bbox(counts, offsets, sizes)
    return boxes[0] if isinstance(rles, Mapping) else boxes


def rle_merge(rles: Sequence[Mapping[str, object]], intersect: bool = False) -> RLE:
    """Merge masks into one.

    Args:
        rles: COCO dicts of one size, at least one.
        intersect: The pixels that all masks share instead of those that any has.

    Returns:
        One COCO dict with compressed counts.

    Raises:
        TypeError: not COCO dicts.
        ValueError: none at all, faulty counts, counts that do not sum to the mask's size, or different sizes.
    """
    counts, offsets, sizes = rle_tensors("rle_merge", "rles", rles)
    if len(sizes) == 0:
        raise ValueError("rle_merge: rles must not be empty")
    if bool((sizes != sizes[0]).any()):
        raise ValueError(f"rle_merge: rles must share one size, got {sizes.unique(dim=0).tolist()}")
    check_totals("rle_merge", "rles", counts, offsets, sizes)
    merged, ends = ops.rle_merge(counts, offsets, torch.tensor([0, len(sizes)]), intersect)
    height, width = sizes[0].tolist()
    return rle_dicts(merged, ends, [(height, width)])[0]


def rle_iou(
    dt: Sequence[Mapping[str, object]], gt: Sequence[Mapping[str, object]], iscrowd: Sequence[bool] | None = None
) -> torch.Tensor:
    """Intersection over union of all pairs of masks.

    Args:
        dt: N COCO dicts, the detections.
        gt: M COCO dicts, the ground truths.
        iscrowd: M flags; a detection's overlap with a crowd counts over the detection's own area. None: no crowds.

    Returns:
        (N, M) float64 in [0, 1]; -1 where the boxes around two masks overlap but the masks' sizes differ.

    Raises:
        TypeError: not COCO dicts.
        ValueError: faulty counts, or not one flag for each ground truth.
    """
    whole_dt, whole_gt = torch.tensor([0, len(dt)]), torch.tensor([0, len(gt)])
    return grouped_rle_iou(dt, gt, iscrowd, whole_dt, whole_gt).reshape(len(dt), len(gt))


def grouped_rle_iou(
    dt: Sequence[Mapping[str, object]],
    gt: Sequence[Mapping[str, object]],
    iscrowd: Sequence[bool] | torch.Tensor | None,
    dt_groups: torch.Tensor,
    gt_groups: torch.Tensor,
) -> torch.Tensor:
    """`rle_iou` of many groups in one call: what `coco_match` takes for a whole data set.

    Args:
        dt: N COCO dicts, the detections of all groups one after the other.
        gt: M COCO dicts, the ground truths likewise.
        iscrowd: M flags, or None.
        dt_groups: (G + 1) int64, group g has the detections `dt_groups[g]:dt_groups[g + 1]`; from 0 to N.
        gt_groups: (G + 1) int64, likewise for the ground truths.

    Returns:
        Flat float64: the (detections, ground truths) block of each group, row-major, one after the other.

    Raises:
        TypeError: not COCO dicts.
        ValueError: faulty counts, not one flag for each ground truth, or groups that do not rise from 0 to the end.
    """
    detections, truths = rle_tensors("rle_iou", "dt", dt), rle_tensors("rle_iou", "gt", gt)
    crowd = crowd_flags("rle_iou", iscrowd, len(gt))
    check_groups("rle_iou", "dt_groups", dt_groups, len(dt))
    check_groups("rle_iou", "gt_groups", gt_groups, len(gt), len(dt_groups))
    return ops.rle_iou(*detections, *truths, crowd, dt_groups, gt_groups)


def _rows(like: torch.Tensor, count: int | torch.SymInt, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.library.get_ctx().new_dynamic_size()
    return like.new_empty(values, dtype=dtype), like.new_empty(count + 1, dtype=torch.int64)


@torch.library.register_fake("detectory::rle_encode")
def _encode(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return _rows(masks, masks.shape[0], torch.int32)


@torch.library.register_fake("detectory::rle_decode")
def _decode(counts: torch.Tensor, offsets: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return counts.new_empty(offsets.shape[0] - 1, height, width, dtype=torch.bool)


@torch.library.register_fake("detectory::rle_area")
def _area(counts: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    return counts.new_empty(offsets.shape[0] - 1, dtype=torch.int64)


@torch.library.register_fake("detectory::rle_to_bbox")
def _to_bbox(counts: torch.Tensor, offsets: torch.Tensor, _sizes: torch.Tensor) -> torch.Tensor:
    return counts.new_empty(offsets.shape[0] - 1, 4, dtype=torch.float64)


@torch.library.register_fake("detectory::rle_merge")
def _merge(
    counts: torch.Tensor, _offsets: torch.Tensor, groups: torch.Tensor, _intersect: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    return _rows(counts, groups.shape[0] - 1, torch.int32)


@torch.library.register_fake("detectory::rle_to_string")
def _to_string(counts: torch.Tensor, offsets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return _rows(counts, offsets.shape[0] - 1, torch.uint8)


@torch.library.register_fake("detectory::rle_from_string")
def _from_string(
    characters: torch.Tensor, character_offsets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    counts, offsets = _rows(characters, character_offsets.shape[0] - 1, torch.int32)
    return counts, offsets, characters.new_empty((), dtype=torch.int64)


@torch.library.register_fake("detectory::rle_iou")
def _iou(dt_counts: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
    pairs = torch.library.get_ctx().new_dynamic_size()
    return dt_counts.new_empty(pairs, dtype=torch.float64)
