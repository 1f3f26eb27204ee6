#pragma once

#include <cstdint>

#include "instruction_set.h"

namespace detectory {

// One image of a deformable convolution, channels-last.
template <typename T>
struct DeformImage {
  const T* image;   // (H * W, C)
  const T* offset;  // (offset_groups * K * 2, OH * OW), y before x
  const T* mask;    // (offset_groups * K, OH * OW), or null
  int64_t C, H, W, KH, KW, OH, OW, groups, offset_groups;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
};

// A range of output pixels. Its columns (groups, count, K, C / groups) are the samples of all taps.
struct PixelRun {
  int64_t first, count;
};

// The following kernels process pixels [begin, end) of a run, relative to its start.
DETECTORY_KERNEL(deform_columns_f32,
                 void(const DeformImage<float>&, PixelRun, int64_t begin, int64_t end, float* columns))
DETECTORY_KERNEL(deform_columns_f64,
                 void(const DeformImage<double>&, PixelRun, int64_t begin, int64_t end, double* columns))

// Writes the gradients of offsets and mask (mask_grad may be null) of these pixels.
DETECTORY_KERNEL(deform_offset_grads_f32, void(const DeformImage<float>&, PixelRun, int64_t begin, int64_t end,
                                               const float* column_grads, float* offset_grad, float* mask_grad))
DETECTORY_KERNEL(deform_offset_grads_f64, void(const DeformImage<double>&, PixelRun, int64_t begin, int64_t end,
                                               const double* column_grads, double* offset_grad, double* mask_grad))

// Accumulates the gradient of channels [c_begin, c_end) of the image (H * W, C) over all pixels of the run.
DETECTORY_KERNEL(deform_image_grads_f32, void(const DeformImage<float>&, PixelRun, int64_t c_begin, int64_t c_end,
                                              const float* column_grads, float* image_grad))
DETECTORY_KERNEL(deform_image_grads_f64, void(const DeformImage<double>&, PixelRun, int64_t c_begin, int64_t c_end,
                                              const double* column_grads, double* image_grad))

}  // namespace detectory
