"""Boxes, masks, keypoints, instances and image batches as typed tensors."""

from .bit_masks import BitMasks
from .box_mode import BoxMode
from .boxes import Boxes
from .image_list import ImageList
from .instances import Instances
from .keypoints import Keypoints, heatmaps_to_keypoints
from .pairwise import (
    matched_pairwise_iou,
    pairwise_intersection,
    pairwise_ioa,
    pairwise_iou,
    pairwise_iou_rotated,
    pairwise_point_box_distance,
)
from .panoptic_ids import ids_to_rgb, rgb_to_ids
from .polygon_masks import PolygonMasks
from .polygons import polygon_area, polygons_to_bitmask, rasterize_polygons_within_box
from .records import RLE, Annotation, DatasetRecord, ModelInput, ModelOutput, Segmentation, SegmentInfo
from .rle import rle_to_bitmask
from .roi_masks import ROIMasks
from .rotated_boxes import RotatedBoxes

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
