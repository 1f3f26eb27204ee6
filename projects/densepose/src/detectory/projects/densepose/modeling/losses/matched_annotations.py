"""Annotations of the proposals of a batch, in one tensor per field."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from detectory.projects.densepose.structures import DensePoseDataRelative
from detectory.structures import BoxMode, Instances


@dataclass
class PackedAnnotations:
    """Annotations of all proposals that have one.

    `R` is the number of proposals of the batch, `A` the number of proposals with an annotation, `P` the number of their
    points.

    Attributes:
        bbox_xywh_gt: `(A, 4)` boxes of the annotated objects.
        bbox_xywh_est: `(A, 4)` boxes of the proposals.
        region: `(A,)` int64 index of the proposal among all `R`.
        point_annotation: `(P,)` int64 index of the annotation of each point, in `[0, A)`.
        x: `(P,)` in [0, 256), relative to the box of the object.
        y: `(P,)` in [0, 256).
        charts: `(P,)` int64 labels 1 to 24; `None` for meshes, as are `u` and `v`.
        u: `(P,)` in [0, 1].
        v: `(P,)` in [0, 1].
        vertex_ids: `(P,)` int64; `None` for charts, as is `mesh_ids`.
        mesh_ids: `(P,)` int64 index of the mesh in `MeshCatalog`.
        coarse_segm: `(A, 256, 256)` coarse parts; `None` if an annotation has no segmentation.
    """

    bbox_xywh_gt: Tensor
    bbox_xywh_est: Tensor
    region: Tensor
    point_annotation: Tensor
    x: Tensor
    y: Tensor
    charts: Tensor | None = None
    u: Tensor | None = None
    v: Tensor | None = None
    vertex_ids: Tensor | None = None
    mesh_ids: Tensor | None = None
    coarse_segm: Tensor | None = None

    @property
    def point_region(self) -> Tensor:
        """`(P,)` int64 index of the proposal of each point."""
        return self.region[self.point_annotation]


@dataclass
class _Collected:
    boxes_gt: list[Tensor] = field(default_factory=list)
    boxes_est: list[Tensor] = field(default_factory=list)
    regions: list[int] = field(default_factory=list)
    annotations: list[DensePoseDataRelative] = field(default_factory=list)


def pack_annotations(proposals: Sequence[Instances]) -> PackedAnnotations | None:
    """Collect the annotations of the matched proposals of a batch.

    Args:
        proposals: Foreground proposals of each image with `proposal_boxes`, `gt_boxes` and `gt_densepose`.

    Returns:
        The annotations; `None` if no proposal has one.

    Raises:
        ValueError: If charts and meshes are mixed.
    """
    collected, start = _Collected(), 0
    for image in proposals:
        if image.has("gt_densepose"):
            _collect(image, start, collected)
        start += len(image)
    if not collected.annotations:
        return None
    return _packed(collected)


def _collect(image: Instances, start: int, collected: _Collected) -> None:
    boxes_gt = _xywh(image.gt_boxes.tensor)
    boxes_est = _xywh(image.proposal_boxes.tensor)
    for index, annotation in enumerate(image.gt_densepose):
        if annotation is not None:
            collected.boxes_gt.append(boxes_gt[index])
            collected.boxes_est.append(boxes_est[index])
            collected.regions.append(start + index)
            collected.annotations.append(annotation)


def _xywh(boxes: Tensor) -> Tensor:
    return BoxMode.convert(boxes.clone(), BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)


def _packed(collected: _Collected) -> PackedAnnotations:
    device = collected.boxes_gt[0].device
    annotations = collected.annotations
    if len({annotation.is_chart_based() for annotation in annotations}) > 1:
        raise ValueError("pack_annotations: the annotations of a batch must all be charts or all be vertices of meshes")
    counts = torch.tensor([len(annotation.x) for annotation in annotations])

    def points(name: str) -> Tensor:
        return torch.cat([getattr(annotation, name).to(device) for annotation in annotations])

    fields: dict[str, Any] = {"x": points("x"), "y": points("y")}
    if annotations[0].is_chart_based():
        fields |= {"charts": points("i").long(), "u": points("u"), "v": points("v")}
    else:
        mesh_ids = torch.tensor([annotation.mesh_id for annotation in annotations])
        fields |= {"vertex_ids": points("vertex_ids"), "mesh_ids": mesh_ids.repeat_interleave(counts).to(device)}
    masks = [annotation.segm for annotation in annotations if annotation.segm is not None]
    if len(masks) == len(annotations):
        fields["coarse_segm"] = torch.stack([mask.to(device) for mask in masks])
    return PackedAnnotations(
        bbox_xywh_gt=torch.stack(collected.boxes_gt),
        bbox_xywh_est=torch.stack(collected.boxes_est),
        region=torch.tensor(collected.regions, device=device),
        point_annotation=torch.arange(len(annotations)).repeat_interleave(counts).to(device),
        **fields,
    )
