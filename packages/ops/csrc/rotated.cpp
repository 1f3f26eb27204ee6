#include "tensors.h"

STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  m.def("pairwise_iou_rotated(Tensor boxes1, Tensor boxes2) -> Tensor");
  m.def("nms_rotated(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor");
  m.def("batched_nms_rotated(Tensor boxes, Tensor scores, Tensor idxs, float iou_threshold) -> Tensor");
}
