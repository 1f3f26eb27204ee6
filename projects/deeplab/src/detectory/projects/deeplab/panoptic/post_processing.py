"""Grouping of pixels to instances, and the merge of instances with the semantic segmentation.

Source: Cheng et al., "Panoptic-DeepLab", CVPR 2020, section 3.2.
"""

from collections import Counter
from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "find_instance_center",
    "get_instance_segmentation",
    "get_panoptic_segmentation",
    "group_pixels",
    "merge_semantic_and_instance",
]

# Pixels per step of `group_pixels`, which limits its memory to this number times the number of centers.
_CHUNK = 1 << 16


def find_instance_center(
    center_heatmap: Tensor, threshold: float = 0.1, nms_kernel: int = 3, top_k: int | None = None
) -> Tensor:
    """Return the peaks of a heat map.

    Args:
        center_heatmap: `(1, H, W)`.
        threshold: Minimum heat of a peak, exclusive.
        nms_kernel: Side of the window in which a peak must be the maximum, an odd number.
        top_k: Number of peaks to keep; None keeps all.

    Returns:
        (y, x) of the peaks, `(N, 2)` int64, row by row.
    """
    heat = F.threshold(center_heatmap, threshold, -1)
    pooled = F.max_pool2d(heat[None], kernel_size=nms_kernel, stride=1, padding=(nms_kernel - 1) // 2)[0]
    heat = torch.where(heat == pooled, heat, -torch.ones_like(heat))[0]
    least = heat.new_zeros(())
    if top_k is not None:
        least = heat.flatten().topk(min(top_k, heat.numel())).values[-1].clamp(min=0)
    return torch.nonzero(heat > least)


def group_pixels(center_points: Tensor, offsets: Tensor) -> Tensor:
    """Assign every pixel to the center that is closest to the location to which its offset points.

    Args:
        center_points: (y, x), `(N, 2)`, at least one.
        offsets: `(2, H, W)`, y first.

    Returns:
        Numbers of the centers, from 1, `(1, H, W)` int64.
    """
    height, width = offsets.shape[1:]
    y = torch.arange(height, dtype=offsets.dtype, device=offsets.device)
    x = torch.arange(width, dtype=offsets.dtype, device=offsets.device)
    located = offsets + torch.stack(torch.meshgrid(y, x, indexing="ij"))
    centers = center_points.to(offsets.dtype)[:, None]  # (N, 1, 2)
    chunks = located.flatten(1).transpose(0, 1).split(_CHUNK)
    nearest = [(centers - chunk).norm(dim=-1).argmin(dim=0) for chunk in chunks]
    return torch.cat(nearest).reshape(1, height, width) + 1


def get_instance_segmentation(
    sem_seg: Tensor,
    center_heatmap: Tensor,
    offsets: Tensor,
    thing_seg: Tensor,
    thing_ids: Collection[int],
    threshold: float = 0.1,
    nms_kernel: int = 3,
    top_k: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the instance of every pixel, `(1, H, W)`, 0 without an instance, and the centers, `(1, N, 2)`.

    Args:
        sem_seg: Class ids, `(1, H, W)`.
        center_heatmap: `(1, H, W)`.
        offsets: `(2, H, W)`, y first.
        thing_seg: Mask of the pixels of things, `(1, H, W)`; None uses the classes of `sem_seg`.
        thing_ids: Ids of the thing classes.
        threshold: Minimum heat of a center, exclusive.
        nms_kernel: Side of the window in which a center must be the maximum.
        top_k: Maximum number of centers.
    """
    if thing_seg is None:
        thing_seg = _is_thing(sem_seg, thing_ids)
    centers = find_instance_center(center_heatmap, threshold, nms_kernel, top_k)
    if len(centers) == 0:
        return torch.zeros_like(sem_seg), centers[None]
    return thing_seg * group_pixels(centers, offsets), centers[None]


def merge_semantic_and_instance(
    sem_seg: Tensor,
    ins_seg: Tensor,
    semantic_thing_seg: Tensor,
    label_divisor: int,
    thing_ids: Collection[int],
    stuff_area: int,
    void_label: int,
) -> Tensor:
    """Return the panoptic ids, `(1, H, W)`: class * `label_divisor` + number of the instance in its class.

    The class of an instance is the most frequent class of its pixels.

    Args:
        sem_seg: Class ids, `(1, H, W)`.
        ins_seg: Numbers of instances, `(1, H, W)`, 0 without an instance.
        semantic_thing_seg: Mask of the pixels of things, `(1, H, W)`.
        label_divisor: Factor of the class.
        thing_ids: Ids of the thing classes.
        stuff_area: Stuff segments with fewer pixels are void.
        void_label: Id of pixels without a segment.
    """
    panoptic = torch.full_like(sem_seg, void_label)
    in_instance = (ins_seg > 0) & (semantic_thing_seg > 0)
    numbers: Counter[int] = Counter()
    for instance in ins_seg[in_instance].unique().tolist():
        mask = (ins_seg == instance) & in_instance
        class_id = int(sem_seg[mask].mode().values)
        numbers[class_id] += 1
        panoptic[mask] = class_id * label_divisor + numbers[class_id]
    for class_id in sem_seg.unique().tolist():
        if class_id in thing_ids:
            continue
        mask = (sem_seg == class_id) & ~in_instance
        if int(mask.sum()) >= stuff_area:
            panoptic[mask] = class_id * label_divisor
    return panoptic


def get_panoptic_segmentation(
    sem_seg: Tensor,
    center_heatmap: Tensor,
    offsets: Tensor,
    thing_ids: Collection[int],
    label_divisor: int,
    stuff_area: int,
    void_label: int,
    threshold: float = 0.1,
    nms_kernel: int = 7,
    top_k: int = 200,
    foreground_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Group pixels to instances and merge them with the semantic segmentation.

    Args:
        sem_seg: Class ids, `(1, H, W)`.
        center_heatmap: `(1, H, W)`.
        offsets: `(2, H, W)`, pixels, y first.
        thing_ids: Ids of the thing classes.
        label_divisor: Factor of the class in a panoptic id.
        stuff_area: Stuff segments with fewer pixels are void.
        void_label: Id of pixels without a segment.
        threshold: Minimum heat of a center, exclusive.
        nms_kernel: Side of the window in which a center must be the maximum.
        top_k: Maximum number of centers.
        foreground_mask: Mask of the pixels of things, `(1, H, W)`; None uses the classes of `sem_seg`.

    Returns:
        The panoptic ids, `(1, H, W)`, and the centers (y, x), `(1, N, 2)`.

    Raises:
        ValueError: If an argument has the wrong shape.
    """
    shapes = {"sem_seg": (sem_seg, 1), "center_heatmap": (center_heatmap, 1), "offsets": (offsets, 2)}
    for name, (value, channels) in shapes.items():
        if value.dim() != 3 or value.shape[0] != channels:
            raise ValueError(
                f"get_panoptic_segmentation: {name} must have shape ({channels}, H, W), got {tuple(value.shape)}"
            )
    things = _is_thing(sem_seg, thing_ids) if foreground_mask is None else foreground_mask
    instances, centers = get_instance_segmentation(
        sem_seg, center_heatmap, offsets, things, thing_ids, threshold, nms_kernel, top_k
    )
    panoptic = merge_semantic_and_instance(sem_seg, instances, things, label_divisor, thing_ids, stuff_area, void_label)
    return panoptic, centers


def _is_thing(sem_seg: Tensor, thing_ids: Collection[int]) -> Tensor:
    return torch.isin(sem_seg, torch.tensor(sorted(thing_ids), dtype=sem_seg.dtype, device=sem_seg.device)).long()
