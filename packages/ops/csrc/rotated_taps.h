// Which pixels a rotated region's cells read, and with which weights. Samples of a cell that fall on one pixel are
// merged before any channel is touched.
#pragma once

#include <cstdint>
#include <vector>

namespace detectory {

// Cell k reads pixels[i] * weights[i] for i in [begins[k], begins[k + 1]); a pixel is y * W + x.
template <typename T>
struct Taps {
  std::vector<int64_t> begins;
  std::vector<int32_t> pixels;
  std::vector<T> weights;
};

struct Grid {
  int64_t H, W, PH, PW;
  double spatial_scale;
  int64_t ratio;
};

// `region` is (image, cx, cy, w, h, degrees); `map` is scratch for H * W numbers, zero before and after.
template <typename T>
Taps<T> rotated_taps(const T* region, const Grid& grid, std::vector<T>& map);

}  // namespace detectory
