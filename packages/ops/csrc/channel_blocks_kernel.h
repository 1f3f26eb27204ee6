// Blocks of channels with the channel innermost, so that kernels can vectorise over channels.
#pragma once

#include <cstdint>

#include "elements.h"
#include "instruction_set.h"

namespace detectory {

// Channels per block: two vectors of the widest instruction set.
template <typename T>
constexpr int64_t kBlock = 128 / sizeof(T);

// A rectangle of one image: element (c, y, x) is data[c * c_stride + y * y_stride + x * x_stride].
struct Plane {
  const void* data;
  Element element;
  int64_t c_stride, y_stride, x_stride;
};

// Copies `channels` (at most kBlock) of a rectangle to out (height, width, kBlock), padding channels with 0.
DETECTORY_KERNEL(load_block_f32, void(const Plane&, int64_t channels, int64_t height, int64_t width, float* out))
DETECTORY_KERNEL(load_block_f64, void(const Plane&, int64_t channels, int64_t height, int64_t width, double* out))

// The inverse: copies block (pixels, kBlock) to out (channels, pixels) with a channel stride.
DETECTORY_KERNEL(store_block_f32,
                 void(const float* block, int64_t channels, int64_t pixels, float* out, int64_t stride))
DETECTORY_KERNEL(store_block_f64,
                 void(const double* block, int64_t channels, int64_t pixels, double* out, int64_t stride))

// Transposes (rows, columns) to (columns, rows), both with a row stride.
DETECTORY_KERNEL(transpose_f32, void(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
                                     int64_t to_stride))
DETECTORY_KERNEL(transpose_f64, void(const double* from, int64_t from_stride, int64_t rows, int64_t columns, double* to,
                                     int64_t to_stride))

}  // namespace detectory
