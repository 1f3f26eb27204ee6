#pragma once

#include <cstdint>

#include "instruction_set.h"

namespace detectory {

// One head of one image: value (S, D) with a row stride; locations (Q, L, P, 2) and weights (Q, L, P) with a query
// stride; level l has shapes[l] = (height, width) and starts at row starts[l].
template <typename T>
struct AttentionHead {
  const T *value, *locations, *weights;
  const int64_t *shapes, *starts;
  int64_t value_stride, location_stride, weight_stride;
  int64_t D, L, P;
};

// Computes queries [begin, end) of out (Q, D), which has a row stride.
DETECTORY_KERNEL(attend_f32, void(const AttentionHead<float>&, int64_t begin, int64_t end, float* out, int64_t stride))
DETECTORY_KERNEL(attend_f64,
                 void(const AttentionHead<double>&, int64_t begin, int64_t end, double* out, int64_t stride))

// Backward pass of all queries of the head: accumulates into value_grad (layout of value) and writes the gradients of
// locations and weights (in their layouts).
DETECTORY_KERNEL(attend_back_f32, void(const AttentionHead<float>&, int64_t Q, const float* grad, int64_t stride,
                                       float* value_grad, float* location_grad, float* weight_grad))
DETECTORY_KERNEL(attend_back_f64, void(const AttentionHead<double>&, int64_t Q, const double* grad, int64_t stride,
                                       double* value_grad, double* location_grad, double* weight_grad))

}  // namespace detectory
