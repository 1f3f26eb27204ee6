#include "tensors.h"

STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  m.def("pairwise_iou(Tensor boxes1, Tensor boxes2) -> Tensor");
  m.def("pairwise_ioa(Tensor boxes1, Tensor boxes2) -> Tensor");
  m.def("pairwise_giou(Tensor boxes1, Tensor boxes2) -> Tensor");
}
