#include "tensors.h"

// A whole dataset in one call. Group g is one category of one image: detections dt_groups[g]:dt_groups[g + 1], sorted
// by descending score, and ground truths gt_groups[g]:gt_groups[g + 1]. Overlaps are the flattened (detections, ground
// truths) matrices of all groups, row-major and concatenated.
// D detections, M ground truths, T thresholds, A area ranges.
STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  // Boxes are COCO's (x, y, width, height); gt_crowd (M) bool.
  m.def(
      "grouped_box_iou(Tensor dt_boxes, Tensor gt_boxes, Tensor gt_crowd, Tensor dt_groups, Tensor gt_groups) -> "
      "Tensor");
  // dt_outside (A, D) and gt_ignore (A, M) bool -> dt_match (A, T, D) int32, dt_ignore (A, T, D) bool, gt_match
  // (A, T, M) int32; matches are indices into all ground truths or detections, -1 if unmatched.
  m.def(
      "coco_match(Tensor ious, Tensor iou_thresholds, Tensor dt_groups, Tensor gt_groups, Tensor dt_outside, Tensor "
      "gt_ignore, Tensor gt_crowd) -> (Tensor dt_match, Tensor dt_ignore, Tensor gt_match)");
}
