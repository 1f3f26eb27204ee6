#pragma once

#include "tensors.h"

namespace detectory {

// The gradient in the form of the kernels: a single number if all elements are equal (a scalar, or the expanded
// gradient of sum()), otherwise contiguous memory.
inline Tensor shared_number(const Tensor& grad) {
  Tensor number = grad;
  while (number.dim() > 0 && number.stride(0) == 0) number = torch::stable::select(number, 0, 0);
  return number.dim() == 0 ? number : grad;
}

}  // namespace detectory
