#pragma once

#include <cstdint>

#include "instruction_set.h"

namespace detectory {

// The positions of `count` consecutive pixels on one axis of a mask: pixel k is between cells index[k] - 1 and index[k]
// (cell 0 is the zero border) with weights lower[k] and upper[k].
struct AxisSamples {
  int64_t first = 0, count = 0;
  const int32_t* index = nullptr;
  const float *lower = nullptr, *upper = nullptr;
};

// Interpolates a mask along x: mask (h + 2, w + 2) with a border of zeros -> out (h + 2, count).
DETECTORY_KERNEL(blend_mask_columns, void(const float* mask, int64_t h, int64_t w, AxisSamples xs, float* out))

// The same, transposed: mask (w + 2, h + 2) -> out (count, h + 2), one image column per row.
DETECTORY_KERNEL(blend_mask_columns_transposed, void(const float* mask, int64_t h, AxisSamples xs, float* out))

// One image row, interpolated between two rows: value >= threshold as bytes 0 and 1.
DETECTORY_KERNEL(paste_row_binary, void(const float* above, const float* below, float lower, float upper,
                                        float threshold, int64_t count, uint8_t* out))

// One image row, interpolated between two rows: 255 * value, clamped to 0..255 and truncated; NaN becomes 0.
DETECTORY_KERNEL(paste_row_soft,
                 void(const float* above, const float* below, float lower, float upper, int64_t count, uint8_t* out))

}  // namespace detectory
