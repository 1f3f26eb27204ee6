"""Annotations of all objects of an image."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from detectory.structures import Boxes

from .annotation import DensePoseDataRelative


class DensePoseList:
    """One annotation, or `None`, per object: the field `gt_densepose` of the ground truth.

    Args:
        densepose_datas: The annotations.
        boxes_xyxy_abs: The boxes of the objects.
        image_size_hw: `(height, width)` of the image.
        device: Device that annotations are moved to when they are selected.
    """

    def __init__(
        self,
        densepose_datas: Sequence[DensePoseDataRelative | None],
        boxes_xyxy_abs: Boxes,
        image_size_hw: tuple[int, int],
        device: torch.device | str = "cpu",
    ) -> None:
        if len(boxes_xyxy_abs) != len(densepose_datas):
            raise ValueError(
                f"DensePoseList: expected one box per annotation, got {len(boxes_xyxy_abs)} and {len(densepose_datas)}"
            )
        self.densepose_datas = list(densepose_datas)
        self.boxes_xyxy_abs = boxes_xyxy_abs
        self.image_size_hw = image_size_hw
        self.device = torch.device(device)

    def to(self, device: torch.device | str) -> "DensePoseList":
        """Return the annotations on a device."""
        if self.device == torch.device(device):
            return self
        return DensePoseList(self.densepose_datas, self.boxes_xyxy_abs, self.image_size_hw, device)

    def __iter__(self) -> Iterator[DensePoseDataRelative | None]:
        return iter(self.densepose_datas)

    def __len__(self) -> int:
        return len(self.densepose_datas)

    def __getitem__(self, item: Any) -> Any:
        """Return one annotation for an int; otherwise the annotations selected by a slice, indices or a bool mask."""
        if isinstance(item, int):
            data = self.densepose_datas[item]
            return None if data is None else data.to(self.device)
        if isinstance(item, slice):
            selected = self.densepose_datas[item]
        else:
            index = torch.as_tensor(item, device="cpu")
            index = index.nonzero()[:, 0] if index.dtype == torch.bool else index
            selected = [self.densepose_datas[i] for i in index.tolist()]
            item = index.to(self.boxes_xyxy_abs.device)
        moved = [None if data is None else data.to(self.device) for data in selected]
        return DensePoseList(moved, self.boxes_xyxy_abs[item], self.image_size_hw, self.device)

    @classmethod
    def cat(cls, lists: list["DensePoseList"]) -> "DensePoseList":
        """Concatenate the annotations of one image."""
        datas = [data for one in lists for data in one.densepose_datas]
        boxes = Boxes.cat([one.boxes_xyxy_abs for one in lists])
        return cls(datas, boxes, lists[0].image_size_hw, lists[0].device)
