#include "tensors.h"

// N run-length encoded masks are represented by `counts` (flat int32: the run lengths of all masks, column-major
// pixels, background first) and `offsets` (N + 1, int64); the runs of mask n are counts[offsets[n]:offsets[n + 1]].
// `sizes` (N, 2) int64 are heights and widths. COCO's compressed strings are flat uint8 with separate offsets.
STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  m.def("rle_encode(Tensor masks) -> (Tensor counts, Tensor offsets)");
  m.def("rle_decode(Tensor counts, Tensor offsets, SymInt height, SymInt width) -> Tensor");
  m.def("rle_area(Tensor counts, Tensor offsets) -> Tensor");
  m.def("rle_to_bbox(Tensor counts, Tensor offsets, Tensor sizes) -> Tensor");
  // Merges masks groups[g]:groups[g + 1] into mask g.
  m.def(
      "rle_merge(Tensor counts, Tensor offsets, Tensor groups, bool intersect) -> (Tensor merged_counts, Tensor "
      "merged_offsets)");
  m.def("rle_to_string(Tensor counts, Tensor offsets) -> (Tensor characters, Tensor character_offsets)");
  // faulty: the index of the first invalid string, or -1; invalid strings decode to zero runs.
  m.def(
      "rle_from_string(Tensor characters, Tensor character_offsets) -> (Tensor counts, Tensor offsets, Tensor faulty)");
  // All pairs of detections dt_groups[g]:dt_groups[g + 1] and ground truths gt_groups[g]:gt_groups[g + 1] of each group
  // g: the concatenated (detections, ground truths) matrices.
  m.def(
      "rle_iou(Tensor dt_counts, Tensor dt_offsets, Tensor dt_sizes, Tensor gt_counts, Tensor gt_offsets, Tensor "
      "gt_sizes, Tensor gt_crowd, Tensor dt_groups, Tensor gt_groups) -> Tensor");
}
