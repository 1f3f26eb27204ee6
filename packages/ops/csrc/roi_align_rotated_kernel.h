#pragma once

#include <cstdint>

#include "channel_blocks_kernel.h"
#include "instruction_set.h"

namespace detectory {

template <typename T>
struct TapList {
  const int64_t* begins;  // (cells + 1)
  const int32_t* pixels;
  const T* weights;
  int64_t cells;
  int64_t first_pixel;  // index of the first pixel in the data
};

// cells (cells, kBlock) = weighted sums of pixels with the given stride in elements.
DETECTORY_KERNEL(gather_taps_f32, void(const TapList<float>&, const float* pixels, int64_t stride, float* cells))
DETECTORY_KERNEL(gather_taps_f64, void(const TapList<double>&, const double* pixels, int64_t stride, double* cells))

// pixels (…, kBlock) += weighted cells.
DETECTORY_KERNEL(scatter_taps_f32, void(const TapList<float>&, const float* cells, float* pixels))
DETECTORY_KERNEL(scatter_taps_f64, void(const TapList<double>&, const double* cells, double* pixels))

}  // namespace detectory
