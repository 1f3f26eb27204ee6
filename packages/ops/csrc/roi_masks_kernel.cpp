#include "roi_masks_kernel.h"

namespace detectory::DETECTORY_ISA {

// paste_masks and roi_masks_to_rle must set the same pixels, so both interpolate along x first, then along y.
// Expressions must not be contracted or reordered.

void blend_mask_columns(const float* mask, int64_t h, int64_t w, AxisSamples xs, float* out) {
  const int32_t* __restrict index = xs.index;
  const float* __restrict lower = xs.lower, * __restrict upper = xs.upper;
  for (int64_t row = 0; row < h + 2; ++row, mask += w + 2, out += xs.count) {
    const float* __restrict cells = mask;
    float* __restrict blended = out;
    for (int64_t k = 0; k < xs.count; ++k) {
      blended[k] = lower[k] * cells[index[k]] + upper[k] * cells[index[k] + 1];
    }
  }
}

void blend_mask_columns_transposed(const float* mask, int64_t h, AxisSamples xs, float* out) {
  for (int64_t k = 0; k < xs.count; ++k, out += h + 2) {
    const float* __restrict left = mask + xs.index[k] * (h + 2), * __restrict right = left + h + 2;
    float* __restrict blended = out;
    const float lower = xs.lower[k], upper = xs.upper[k];
    for (int64_t row = 0; row < h + 2; ++row) blended[row] = lower * left[row] + upper * right[row];
  }
}

void paste_row_binary(const float* above, const float* below, float lower, float upper, float threshold, int64_t count,
                      uint8_t* out) {
  const float* __restrict a = above, * __restrict b = below;
  uint8_t* __restrict pixels = out;
  for (int64_t k = 0; k < count; ++k) pixels[k] = lower * a[k] + upper * b[k] >= threshold ? 1 : 0;
}

void paste_row_soft(const float* above, const float* below, float lower, float upper, int64_t count, uint8_t* out) {
  const float* __restrict a = above, * __restrict b = below;
  uint8_t* __restrict pixels = out;
  for (int64_t k = 0; k < count; ++k) {
    float value = (lower * a[k] + upper * b[k]) * 255.0f;
    value = value > 0.0f ? value : 0.0f;
    value = value < 255.0f ? value : 255.0f;
    pixels[k] = static_cast<uint8_t>(static_cast<int32_t>(value));
  }
}

}  // namespace detectory::DETECTORY_ISA
