#pragma once

#include <cstdint>

#include "instruction_set.h"

namespace detectory {

// Where `count` consecutive pixels fall on one axis of a mask: pixel k lies between cells index[k] - 1 and index[k]
// (cell 0 is the zero before the mask) with the weights lower[k] and upper[k].
struct AxisSamples {
  int64_t first = 0, count = 0;
  const int32_t* index = nullptr;
  const float *lower = nullptr, *upper = nullptr;
};

// Blends the columns of a mask for each sampled x: mask (h + 2, w + 2) with a border of zeros -> out (h + 2, count).
DETECTORY_KERNEL(blend_mask_columns, void(const float* mask, int64_t h, int64_t w, AxisSamples xs, float* out))

// The same, transposed: mask (w + 2, h + 2) -> out (count, h + 2), one column of the picture after the other.
DETECTORY_KERNEL(blend_mask_columns_transposed, void(const float* mask, int64_t h, AxisSamples xs, float* out))

// One row of the picture from two blended rows: value >= threshold, as bytes 0 and 1.
DETECTORY_KERNEL(paste_row_binary, void(const float* above, const float* below, float lower, float upper,
                                        float threshold, int64_t count, uint8_t* out))

// One row of the picture from two blended rows: 255 * value, truncated, limited to 0..255; NaN gives 0.
DETECTORY_KERNEL(paste_row_soft,
                 void(const float* above, const float* below, float lower, float upper, int64_t count, uint8_t* out))

}  // namespace detectory
