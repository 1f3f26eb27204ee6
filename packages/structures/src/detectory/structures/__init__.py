"""Boxes, masks, keypoints, instances and image batches as typed tensors.

The modules that use torch are imported with the first use of one of their names. The record types, `BoxMode` and the
colours of panoptic images do not need torch, so that programs that only read annotations start quickly.
"""

import importlib
from typing import TYPE_CHECKING, Any

from .box_mode import BoxMode
from .panoptic_ids import ids_to_rgb, rgb_to_ids
from .polygon_geometry import polygon_area
from .records import RLE, Annotation, DatasetRecord, Segmentation, SegmentInfo

if TYPE_CHECKING:
    from .bit_masks import BitMasks
    from .boxes import Boxes
    from .image_list import ImageList
    from .instances import Instances
    from .keypoints import Keypoints, heatmaps_to_keypoints
    from .model_formats import ModelInput, ModelOutput
    from .pairwise import (
        matched_pairwise_iou,
        pairwise_intersection,
        pairwise_ioa,
        pairwise_iou,
        pairwise_iou_rotated,
        pairwise_point_box_distance,
    )
    from .polygon_masks import PolygonMasks
    from .polygons import polygons_to_bitmask, rasterize_polygons_within_box
    from .rle import rle_to_bitmask
    from .roi_masks import ROIMasks
    from .rotated_boxes import RotatedBoxes

#: Public name -> module that is imported with its first use.
_MODULES = {
    "BitMasks": "bit_masks",
    "Boxes": "boxes",
    "ImageList": "image_list",
    "Instances": "instances",
    "Keypoints": "keypoints",
    "ModelInput": "model_formats",
    "ModelOutput": "model_formats",
    "PolygonMasks": "polygon_masks",
    "ROIMasks": "roi_masks",
    "RotatedBoxes": "rotated_boxes",
    "heatmaps_to_keypoints": "keypoints",
    "matched_pairwise_iou": "pairwise",
    "pairwise_intersection": "pairwise",
    "pairwise_ioa": "pairwise",
    "pairwise_iou": "pairwise",
    "pairwise_iou_rotated": "pairwise",
    "pairwise_point_box_distance": "pairwise",
    "polygons_to_bitmask": "polygons",
    "rasterize_polygons_within_box": "polygons",
    "rle_to_bitmask": "rle",
}

__all__ = [
    "RLE",
    "Annotation",
    "BitMasks",
    "BoxMode",
    "Boxes",
    "DatasetRecord",
    "ImageList",
    "Instances",
    "Keypoints",
    "ModelInput",
    "ModelOutput",
    "PolygonMasks",
    "ROIMasks",
    "RotatedBoxes",
    "SegmentInfo",
    "Segmentation",
    "heatmaps_to_keypoints",
    "ids_to_rgb",
    "matched_pairwise_iou",
    "pairwise_intersection",
    "pairwise_ioa",
    "pairwise_iou",
    "pairwise_iou_rotated",
    "pairwise_point_box_distance",
    "polygon_area",
    "polygons_to_bitmask",
    "rasterize_polygons_within_box",
    "rgb_to_ids",
    "rle_to_bitmask",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
