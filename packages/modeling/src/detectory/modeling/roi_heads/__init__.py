"""ROI heads: prediction of classes, boxes, masks and keypoints for proposals."""

from .box_head import FastRCNNConvFCHead
from .box_inference import fast_rcnn_inference, fast_rcnn_inference_single_image
from .cascade_rcnn import CascadeROIHeads
from .fast_rcnn import FastRCNNOutputLayers
from .keypoint_head import (
    BaseKeypointRCNNHead,
    KRCNNConvDeconvUpsampleHead,
    keypoint_rcnn_inference,
    keypoint_rcnn_loss,
)
from .mask_head import BaseMaskRCNNHead, MaskRCNNConvUpsampleHead, mask_rcnn_inference, mask_rcnn_loss
from .res5_roi_heads import Res5ROIHeads
from .roi_heads import ROIHeads, select_foreground_proposals, select_proposals_with_visible_keypoints
from .rotated_fast_rcnn import (
    RotatedFastRCNNOutputLayers,
    RROIHeads,
    fast_rcnn_inference_rotated,
    fast_rcnn_inference_single_image_rotated,
)
from .standard_roi_heads import StandardROIHeads

__all__ = [
    "BaseKeypointRCNNHead",
    "BaseMaskRCNNHead",
    "CascadeROIHeads",
    "FastRCNNConvFCHead",
    "FastRCNNOutputLayers",
    "KRCNNConvDeconvUpsampleHead",
    "MaskRCNNConvUpsampleHead",
    "ROIHeads",
    "RROIHeads",
    "Res5ROIHeads",
    "RotatedFastRCNNOutputLayers",
    "StandardROIHeads",
    "fast_rcnn_inference",
    "fast_rcnn_inference_rotated",
    "fast_rcnn_inference_single_image",
    "fast_rcnn_inference_single_image_rotated",
    "keypoint_rcnn_inference",
    "keypoint_rcnn_loss",
    "mask_rcnn_inference",
    "mask_rcnn_loss",
    "select_foreground_proposals",
    "select_proposals_with_visible_keypoints",
]
