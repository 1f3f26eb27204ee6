#include "tensors.h"

STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  // The weight is transformed and packed: (36, panels, C', 32), see winograd_kernel.h; the bias is float32.
  m.def("winograd_conv2d(Tensor input, Tensor weight, Tensor? bias, SymInt out_channels, bool relu) -> Tensor");
}
