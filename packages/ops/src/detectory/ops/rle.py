"""Run-length encoded (RLE) masks in COCO's format: encode, decode, area, box, IoU, merge.

A mask is a COCO dict `{"size": [height, width], "counts": ...}`. Returned counts are compressed `bytes`; arguments may
also have `str` or an uncompressed list of integers. Results are bit-identical to pycocotools. All results are on the
CPU, and CUDA masks are copied to the CPU first.

The underlying operators, `torch.ops.detectory.rle_*`, use tensors: `counts` (flat int32, the run lengths of all masks
in column-major pixel order, background first) and `offsets` (N + 1, int64); the runs of mask n are
`counts[offsets[n]:offsets[n + 1]]`.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its annotation format.
"""

from collections.abc import Mapping, Sequence

import torch

from detectory.ops._checks.arguments import check_tensor
from detectory.ops._checks.groups import check_groups, crowd_flags
from detectory.ops._library import ops
from detectory.ops._rle_tensors import RLE, as_list, check_totals, rle_dicts, rle_tensors


def rle_encode(masks: torch.Tensor) -> RLE | list[RLE]:
    """Encode masks.

    Args:
        masks: (H, W) or (N, H, W) of any dtype; non-zero pixels are foreground. Row-major and column-major masks
            (strides `(H * W, 1, H)`) are read without a copy. Fewer than 2^31 pixels per mask.

    Returns:
        A COCO dict for (H, W), a list of N dicts for (N, H, W); counts are compressed bytes.

    Raises:
        TypeError: If `masks` is not a tensor.
        ValueError: If `masks` does not have two or three dimensions, or is too large.

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
        rles: A COCO dict, or a list of dicts of the same size.

    Returns:
        (H, W) bool for a dict, (N, H, W) for a list; (0, 0, 0) for an empty list.

    Raises:
        TypeError: If an entry is not a COCO dict.
        ValueError: If counts are invalid or do not sum to the number of pixels, or sizes differ.
    """
    counts, offsets, sizes = rle_tensors("rle_decode", "rles", as_list(rles))
    if len(sizes) and bool((sizes != sizes[0]).any()):
        odd = int((sizes != sizes[0]).any(1).int().argmax())
        raise ValueError(
            f"rle_decode: rles must have the same size, got {sizes[0].tolist()} at 0 and {sizes[odd].tolist()} at {odd}"
        )
    check_totals("rle_decode", "rles", counts, offsets, sizes)
    height, width = sizes[0].tolist() if len(sizes) else (0, 0)
    masks = ops.rle_decode(counts, offsets, height, width)
    return masks[0] if isinstance(rles, Mapping) else masks


def rle_area(rles: Mapping[str, object] | Sequence[Mapping[str, object]]) -> torch.Tensor:
    """Return the number of foreground pixels of masks.

    Args:
        rles: A COCO dict, or a list of dicts of any sizes.

    Returns:
        int64, () for a dict, (N,) for a list.

    Raises:
        TypeError: If an entry is not a COCO dict.
        ValueError: If counts are invalid.
    """
    counts, offsets, _ = rle_tensors("rle_area", "rles", as_list(rles))
    areas = ops.rle_area(counts, offsets)
    return areas[0] if isinstance(rles, Mapping) else areas


def rle_to_bbox(rles: Mapping[str, object] | Sequence[Mapping[str, object]]) -> torch.Tensor:
    """Return the tight boxes around masks.

    Args:
        rles: A COCO dict, or a list of dicts of any sizes.

    Returns:
        float64 COCO boxes `(x, y, width, height)`, (4,) for a dict, (N, 4) for a list; zeros for empty masks.

    Raises:
        TypeError: If an entry is not a COCO dict.
        ValueError: If counts are invalid.
    """
    counts, offsets, sizes = rle_tensors("rle_to_bbox", "rles", as_list(rles))
    boxes = ops.rle_to_bbox(counts, offsets, sizes)
    return boxes[0] if isinstance(rles, Mapping) else boxes


def rle_merge(rles: Sequence[Mapping[str, object]], intersect: bool = False) -> RLE:
    """Return the union or intersection of masks.

    Args:
        rles: One or more COCO dicts of the same size.
        intersect: Whether to return the intersection instead of the union.

    Returns:
        A COCO dict with compressed counts.

    Raises:
        TypeError: If an entry is not a COCO dict.
        ValueError: If `rles` is empty, counts are invalid or do not sum to the number of pixels, or sizes differ.
    """
    counts, offsets, sizes = rle_tensors("rle_merge", "rles", rles)
    if len(sizes) == 0:
        raise ValueError("rle_merge: rles must not be empty")
    if bool((sizes != sizes[0]).any()):
        raise ValueError(f"rle_merge: rles must have the same size, got {sizes.unique(dim=0).tolist()}")
    check_totals("rle_merge", "rles", counts, offsets, sizes)
    merged, ends = ops.rle_merge(counts, offsets, torch.tensor([0, len(sizes)]), intersect)
    height, width = sizes[0].tolist()
    return rle_dicts(merged, ends, [(height, width)])[0]


def rle_iou(
    dt: Sequence[Mapping[str, object]], gt: Sequence[Mapping[str, object]], iscrowd: Sequence[bool] | None = None
) -> torch.Tensor:
    """Return the intersection over union of all pairs of masks.

    Args:
        dt: N COCO dicts, the detections.
        gt: M COCO dicts, the ground truths.
        iscrowd: M flags; the overlap with a crowd is divided by the area of the detection. None without crowds.

    Returns:
        (N, M) float64 in [0, 1]; -1 if the boxes of two masks overlap but their image sizes differ.

    Raises:
        TypeError: If an entry is not a COCO dict.
        ValueError: If counts are invalid, or `iscrowd` does not have one flag per ground truth.
    """
    dt_group, gt_group = torch.tensor([0, len(dt)]), torch.tensor([0, len(gt)])
    return grouped_rle_iou(dt, gt, iscrowd, dt_group, gt_group).reshape(len(dt), len(gt))


def grouped_rle_iou(
    dt: Sequence[Mapping[str, object]],
    gt: Sequence[Mapping[str, object]],
    iscrowd: Sequence[bool] | torch.Tensor | None,
    dt_groups: torch.Tensor,
    gt_groups: torch.Tensor,
) -> torch.Tensor:
    """Return `rle_iou` of many groups in one call, in the format of `coco_match`.

    Args:
        dt: N COCO dicts, the concatenated detections of all groups.
        gt: M COCO dicts, the concatenated ground truths of all groups.
        iscrowd: M flags, or None.
        dt_groups: (G + 1) int64, from 0 to N; group g contains detections `dt_groups[g]:dt_groups[g + 1]`.
        gt_groups: (G + 1) int64, from 0 to M, for the ground truths.

    Returns:
        (P,) float64: the flattened (detections, ground truths) matrices of all groups, row-major, concatenated.

    Raises:
        TypeError: If an entry is not a COCO dict.
        ValueError: If counts are invalid, `iscrowd` does not have one flag per ground truth, or group offsets do not
            increase from 0 to the number of entries.
    """
    detections, ground_truths = rle_tensors("rle_iou", "dt", dt), rle_tensors("rle_iou", "gt", gt)
    crowd = crowd_flags("rle_iou", iscrowd, len(gt))
    check_groups("rle_iou", "dt_groups", dt_groups, len(dt))
    check_groups("rle_iou", "gt_groups", gt_groups, len(gt), len(dt_groups))
    return ops.rle_iou(*detections, *ground_truths, crowd, dt_groups, gt_groups)


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
