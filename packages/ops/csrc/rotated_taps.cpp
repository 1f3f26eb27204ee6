#include "rotated_taps.h"

#include <algorithm>
#include <cmath>

namespace detectory {

namespace {

// The range of samples start + (i + 0.5) * step, i in [0, count), that can be in [low, high].
template <typename T>
struct Range {
  int64_t first, last;

  Range(T start, T step, T count, double low, double high) : first(0), last(-1) {
    const double from = std::floor((low - start) / step - 0.5) - 1, to = std::ceil((high - start) / step - 0.5) + 1;
    if (!(from < double(count) && to >= 0 && from < 1e9)) return;
    first = int64_t(std::max(from, 0.0));
    last = int64_t(std::min({to, double(count) - 1, 1e9}));
  }
};

template <typename T>
class Collector {
 public:
  Collector(int64_t H, int64_t W, std::vector<T>& map, Taps<T>& taps) : H_(H), W_(W), map_(map), taps_(taps) {}

  void sample(T y, T x, T share) {
    if (!(y >= -1 && y <= T(H_) && x >= -1 && x <= T(W_))) return;
    y = std::clamp(y, T(0), T(H_ - 1)), x = std::clamp(x, T(0), T(W_ - 1));
    const int64_t top = int64_t(y), left = int64_t(x);
    const int64_t bottom = std::min(top + 1, H_ - 1), right = std::min(left + 1, W_ - 1);
    const T fy = y - T(top), fx = x - T(left);
    add(top * W_ + left, (1 - fy) * (1 - fx) * share);
    add(top * W_ + right, (1 - fy) * fx * share);
    add(bottom * W_ + left, fy * (1 - fx) * share);
    add(bottom * W_ + right, fy * fx * share);
  }

  void finish_cell() {
    for (const int32_t pixel : touched_) {
      taps_.pixels.push_back(pixel);
      taps_.weights.push_back(map_[pixel]);
      map_[pixel] = 0;
    }
    touched_.clear();
    taps_.begins.push_back(int64_t(taps_.pixels.size()));
  }

 private:
  void add(int64_t pixel, T weight) {
    if (weight == 0) return;
    if (map_[pixel] == 0) touched_.push_back(int32_t(pixel));
    map_[pixel] += weight;
  }

  int64_t H_, W_;
  std::vector<T>& map_;
  Taps<T>& taps_;
  std::vector<int32_t> touched_;
};

}  // namespace

template <typename T>
Taps<T> rotated_taps(const T* region, const Grid& grid, std::vector<T>& map) {
  Taps<T> taps;
  taps.begins.push_back(0);
  const T scale = T(grid.spatial_scale);
  const T cx = region[1] * scale - T(0.5), cy = region[2] * scale - T(0.5);
  const T width = region[3] * scale, height = region[4] * scale;
  const T radians = region[5] * T(3.14159265358979323846 / 180), c = std::cos(radians), s = std::sin(radians);
  const T bin_w = width / T(grid.PW), bin_h = height / T(grid.PH);
  const T rows = grid.ratio > 0 ? T(grid.ratio) : std::ceil(bin_h);
  const T columns = grid.ratio > 0 ? T(grid.ratio) : std::ceil(bin_w);
  const bool sampled = std::isfinite(cx) && std::isfinite(cy) && std::isfinite(c) && std::isfinite(rows * columns) &&
                       width > 0 && height > 0;
  // The map in the region's frame.
  double x_low = 1e300, x_high = -1e300, y_low = 1e300, y_high = -1e300;
  for (int corner = 0; corner < 4; ++corner) {
    const double dx = (corner & 1 ? double(grid.W) : -1.0) - cx, dy = (corner & 2 ? double(grid.H) : -1.0) - cy;
    const double along = dx * c - dy * s, across = dx * s + dy * c;
    x_low = std::min(x_low, along), x_high = std::max(x_high, along);
    y_low = std::min(y_low, across), y_high = std::max(y_high, across);
  }
  Collector<T> collector(grid.H, grid.W, map, taps);
  for (int64_t ph = 0; ph < grid.PH; ++ph) {
    for (int64_t pw = 0; pw < grid.PW; ++pw) {
      if (sampled) {
        const T y0 = -height / 2 + T(ph) * bin_h, x0 = -width / 2 + T(pw) * bin_w;
        const T y_step = bin_h / rows, x_step = bin_w / columns, share = 1 / (rows * columns);
        const Range<T> in_y(y0, y_step, rows, y_low, y_high), in_x(x0, x_step, columns, x_low, x_high);
        for (int64_t i = in_y.first; i <= in_y.last; ++i) {
          const T across = y0 + (T(i) + T(0.5)) * y_step;
          for (int64_t j = in_x.first; j <= in_x.last; ++j) {
            const T along = x0 + (T(j) + T(0.5)) * x_step;
            collector.sample(across * c - along * s + cy, across * s + along * c + cx, share);
          }
        }
      }
      collector.finish_cell();
    }
  }
  return taps;
}

template Taps<float> rotated_taps<float>(const float*, const Grid&, std::vector<float>&);
template Taps<double> rotated_taps<double>(const double*, const Grid&, std::vector<double>&);

}  // namespace detectory
