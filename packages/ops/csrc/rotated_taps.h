// The pixels and weights of the cells of a rotated region. Samples of a cell that read the same pixel are merged, once
// for all channels.
#pragma once

#include <cstdint>
#include <vector>

namespace detectory {

// Cell k is the sum of pixels[i] * weights[i] for i in [begins[k], begins[k + 1]); a pixel is y * W + x.
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

// `region` is (image, cx, cy, w, h, degrees); `map` is scratch memory of H * W zeros, which are restored.
template <typename T>
Taps<T> rotated_taps(const T* region, const Grid& grid, std::vector<T>& map);

}  // namespace detectory
