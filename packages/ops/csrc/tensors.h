// Common headers and helpers for tensors. Arguments are checked in Python; checks in C++ only guard memory.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace detectory {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline Tensor new_empty(const Tensor& like, std::initializer_list<int64_t> shape, ScalarType dtype) {
  return torch::stable::new_empty(like, {shape.begin(), shape.size()}, dtype);
}

inline Tensor new_zeros(const Tensor& like, std::initializer_list<int64_t> shape, ScalarType dtype) {
  return torch::stable::new_zeros(like, {shape.begin(), shape.size()}, dtype);
}

// The tensor as contiguous `dtype`, without a copy if possible.
inline Tensor contiguous_as(const Tensor& tensor, ScalarType dtype) {
  const Tensor cast = tensor.scalar_type() == dtype ? tensor : torch::stable::to(tensor, dtype);
  return cast.is_contiguous() ? cast : torch::stable::contiguous(cast);
}

}  // namespace detectory
