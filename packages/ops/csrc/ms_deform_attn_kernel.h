#pragma once

#include <cstdint>

#include "instruction_set.h"

namespace detectory {

// One image and one head: value (S, D) with a stride between rows; locations (Q, L, P, 2) and weights (Q, L, P) with a
// stride between queries; levels of `shapes` (height, width) begin at rows `starts`.
template <typename T>
struct AttentionHead {
  const T *value, *locations, *weights;
  const int64_t *shapes, *starts;
  int64_t value_stride, location_stride, weight_stride;
  int64_t D, L, P;
};

// Queries [begin, end): out (Q, D) with a stride.
DETECTORY_KERNEL(attend_f32, void(const AttentionHead<float>&, int64_t begin, int64_t end, float* out, int64_t stride))
DETECTORY_KERNEL(attend_f64,
                 void(const AttentionHead<double>&, int64_t begin, int64_t end, double* out, int64_t stride))

// All queries of the head: adds to value_grad, which is laid out as value, and writes the other two, laid out as
// locations and weights.
DETECTORY_KERNEL(attend_back_f32, void(const AttentionHead<float>&, int64_t Q, const float* grad, int64_t stride,
                                       float* value_grad, float* location_grad, float* weight_grad))
DETECTORY_KERNEL(attend_back_f64, void(const AttentionHead<double>&, int64_t Q, const double* grad, int64_t stride,
                                       double* value_grad, double* location_grad, double* weight_grad))

}  // namespace detectory
