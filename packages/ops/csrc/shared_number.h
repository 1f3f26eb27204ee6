#pragma once

#include "tensors.h"

namespace detectory {

// A gradient as the kernels take it: a single number where all elements share it (a scalar, or what sum() gives back),
// which is not spread out in memory.
inline Tensor shared_number(const Tensor& grad) {
  Tensor number = grad;
  while (number.dim() > 0 && number.stride(0) == 0) number = torch::stable::select(number, 0, 0);
  return number.dim() == 0 ? number : grad;
}

}  // namespace detectory
