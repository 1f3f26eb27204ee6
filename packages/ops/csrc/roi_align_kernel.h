#pragma once

#include <cstdint>

#include "channel_blocks_kernel.h"
#include "instruction_set.h"
#include "roi_bins.h"

namespace detectory {

// The bins of one region along both axes. Pooling is separable (roi_bins.h) and vectorised over kBlock channels,
// because the bins differ between regions while the channels share all weights.
template <typename T>
struct RoiBins {
  const Bin *y, *x;                // (PH), (PW)
  const T *y_weights, *x_weights;  // of all regions; indexed by Bin::offset
  int64_t PH, PW;
  int64_t height, width;  // extent in pixels
};

// Pools kBlock channels of a region into cells (PH * PW, kBlock). `pixels` is the first pixel of the region; strides
// are in elements. `lines` is scratch memory of shape (width, kBlock).
DETECTORY_KERNEL(pool_f32, void(const RoiBins<float>&, const float* pixels, int64_t y_stride, int64_t x_stride,
                                float* lines, float* cells))
DETECTORY_KERNEL(pool_f64, void(const RoiBins<double>&, const double* pixels, int64_t y_stride, int64_t x_stride,
                                double* lines, double* cells))

// Accumulates the gradient of cells (PH * PW, kBlock) into pixels (…, kBlock). `lines` is scratch memory of shape
// (PH, width, kBlock).
DETECTORY_KERNEL(unpool_f32,
                 void(const RoiBins<float>&, const float* cells, float* lines, float* pixels, int64_t y_stride))
DETECTORY_KERNEL(unpool_f64,
                 void(const RoiBins<double>&, const double* cells, double* lines, double* pixels, int64_t y_stride))

}  // namespace detectory
