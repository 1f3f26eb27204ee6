#include "tensors.h"

STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  // total: the sum of all elements, (), instead of the elements. A negative alpha weighs both sides alike.
  m.def("sigmoid_focal_loss(Tensor inputs, Tensor targets, float alpha, float gamma, bool total) -> Tensor");
  // grad: shaped as the inputs, or () for all of them.
  m.def("sigmoid_focal_loss_backward(Tensor grad, Tensor inputs, Tensor targets, float alpha, float gamma) -> Tensor");
}
