"""Detection operators in C++ and CUDA, each also registered as `torch.ops.detectory.<name>`."""

from detectory.ops.boxes import pairwise_giou, pairwise_ioa, pairwise_iou
from detectory.ops.coco_matching import coco_match, grouped_box_iou
from detectory.ops.deform_conv import deform_conv2d
from detectory.ops.losses import sigmoid_focal_loss
from detectory.ops.ms_deform_attn import ms_deform_attn
from detectory.ops.nms import batched_nms, nms
from detectory.ops.point_sample import point_sample
from detectory.ops.polygons import (
    polygon_sets_to_rles,
    polygons_to_mask,
    polygons_to_rle,
    rasterize_polygons_within_boxes,
)
from detectory.ops.rle import grouped_rle_iou, rle_area, rle_decode, rle_encode, rle_iou, rle_merge, rle_to_bbox
from detectory.ops.roi_align import roi_align
from detectory.ops.roi_align_rotated import roi_align_rotated
from detectory.ops.roi_masks import paste_masks, roi_masks_to_rle
from detectory.ops.rotated import batched_nms_rotated, nms_rotated, pairwise_iou_rotated
from detectory.ops.winograd import winograd_conv2d, winograd_weight

__all__ = [
    "batched_nms",
    "batched_nms_rotated",
    "coco_match",
    "deform_conv2d",
    "grouped_box_iou",
    "grouped_rle_iou",
    "ms_deform_attn",
    "nms",
    "nms_rotated",
    "pairwise_giou",
    "pairwise_ioa",
    "pairwise_iou",
    "pairwise_iou_rotated",
    "paste_masks",
    "point_sample",
    "polygon_sets_to_rles",
    "polygons_to_mask",
    "polygons_to_rle",
    "rasterize_polygons_within_boxes",
    "rle_area",
    "rle_decode",
    "rle_encode",
    "rle_iou",
    "rle_merge",
    "rle_to_bbox",
    "roi_align",
    "roi_align_rotated",
    "roi_masks_to_rle",
    "sigmoid_focal_loss",
    "winograd_conv2d",
    "winograd_weight",
]
