#include "tensors.h"

// A whole data set in one call: group g is one category of one image. Its detections are
// dt_groups[g]:dt_groups[g + 1], best score first, its ground truths gt_groups[g]:gt_groups[g + 1]. Overlaps are flat:
// the (detections, ground truths) block of each group, row-major, one after the other.
// D detections, M ground truths, T thresholds, A area ranges.
STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  // Boxes are COCO's (x, y, width, height); gt_crowd (M) bool.
  m.def(
      "grouped_box_iou(Tensor dt_boxes, Tensor gt_boxes, Tensor gt_crowd, Tensor dt_groups, Tensor gt_groups) -> "
      "Tensor");
  // dt_outside (A, D) and gt_ignore (A, M) bool -> dt_match (A, T, D) int32, dt_ignore (A, T, D) bool, gt_match
  // (A, T, M) int32; matches are indices into the whole lists, -1 where there is none.
  m.def(
      "coco_match(Tensor ious, Tensor iou_thresholds, Tensor dt_groups, Tensor gt_groups, Tensor dt_outside, Tensor "
      "gt_ignore, Tensor gt_crowd) -> (Tensor dt_match, Tensor dt_ignore, Tensor gt_match)");
}
