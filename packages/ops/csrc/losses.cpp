#include "tensors.h"

STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  // total: return the sum of all elements, (). A negative alpha disables the weights.
  m.def("sigmoid_focal_loss(Tensor inputs, Tensor targets, float alpha, float gamma, bool total) -> Tensor");
  // grad: the shape of the inputs, or () if all elements share the same gradient.
  m.def("sigmoid_focal_loss_backward(Tensor grad, Tensor inputs, Tensor targets, float alpha, float gamma) -> Tensor");
}
