#include "tensors.h"

STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  m.def("ms_deform_attn(Tensor value, Tensor shapes, Tensor starts, Tensor locations, Tensor weights) -> Tensor");
  m.def(
      "ms_deform_attn_backward(Tensor grad, Tensor value, Tensor shapes, Tensor starts, Tensor locations, "
      "Tensor weights) -> (Tensor, Tensor, Tensor)");
}
