#pragma once

#include <cstdint>

#include "instruction_set.h"

namespace detectory {

enum class Overlap { iou, ioa, giou };

// M boxes in structure-of-arrays layout; area = (x2 - x1) * (y2 - y1).
template <typename T>
struct BoxColumns {
  const T *x1, *y1, *x2, *y2, *area;
};

// Writes the overlap of `rows` boxes (rows, 4) with M boxes to out (rows, M).
DETECTORY_KERNEL(overlap_f32,
                 void(Overlap, const float* boxes1, int64_t rows, BoxColumns<float>, int64_t M, float* out))
DETECTORY_KERNEL(overlap_f64,
                 void(Overlap, const double* boxes1, int64_t rows, BoxColumns<double>, int64_t M, double* out))

}  // namespace detectory
