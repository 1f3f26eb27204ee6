#include "roi_bins.h"

#include <algorithm>
#include <cmath>

namespace detectory {

namespace {

template <typename T>
struct Samples {
  T start, step;
  int64_t first, last;  // samples outside [first, last] are outside the map
  T share;              // 1 / samples of the bin
};

// The range of samples of one bin that can be in [-1, size]; limits the work for regions far larger than the map.
template <typename T>
Samples<T> samples_of_bin(T start, T width, T count, int64_t size) {
  Samples<T> samples{start, width / count, 0, int64_t(std::min<T>(count, T(1e9))) - 1, 1 / count};
  if (samples.step > 0) {
    const double first = std::floor((-1.0 - start) / samples.step - 0.5) - 1;
    const double last = std::ceil((size - double(start)) / samples.step - 0.5) + 1;
    if (!(first < 1e9 && last >= 0)) return {start, samples.step, 0, -1, 0};
    samples.first = std::max<int64_t>(0, int64_t(std::max(first, 0.0)));
    samples.last = int64_t(std::min({last, double(count) - 1, 1e9}));
  }
  return samples;
}

template <typename T>
Bin weigh_bin(const Samples<T>& samples, int64_t size, std::vector<T>& weights) {
  const int64_t offset = weights.size();
  int64_t low_end = -1, high_end = -1;
  // Samples are monotonic, so new pixels are only appended at one end; for a negative step, iterate from the far side.
  const int64_t count = samples.last - samples.first + 1;
  for (int64_t k = 0; k < count; ++k) {
    const int64_t i = samples.step >= 0 ? samples.first + k : samples.last - k;
    T position = samples.start + (T(i) + T(0.5)) * samples.step;
    if (!(position >= -1 && position <= T(size))) continue;
    position = std::max(position, T(0));
    int64_t low = int64_t(position);
    if (low >= size - 1) {
      low = size - 1;
      position = T(low);
    }
    const T fraction = position - T(low);
    const int64_t high = std::min(low + 1, size - 1);
    if (low_end < 0) low_end = low;
    if (high > high_end) {
      weights.resize(offset + high - low_end + 1, T(0));
      high_end = high;
    }
    weights[offset + low - low_end] += (1 - fraction) * samples.share;
    weights[offset + high - low_end] += fraction * samples.share;
  }
  return {int32_t(std::max<int64_t>(low_end, 0)), int32_t(int64_t(weights.size()) - offset), offset};
}

}  // namespace

template <typename T>
AxisBins<T> axis_bins(const T* rois, int64_t R, int axis, int64_t P, int64_t size, const Sampling& sampling) {
  AxisBins<T> result;
  result.bins.reserve(R * P);
  result.extents.resize(R);
  const T scale = T(sampling.spatial_scale), shift = sampling.aligned ? T(0.5) : T(0);
  for (int64_t r = 0; r < R; ++r) {
    const T start = rois[5 * r + 1 + axis] * scale - shift, end = rois[5 * r + 3 + axis] * scale - shift;
    const T width = sampling.aligned ? end - start : std::max(end - start, T(1));
    const T bin_width = width / T(P);
    const T count = sampling.ratio > 0 ? T(sampling.ratio) : std::ceil(bin_width);
    const bool sampled = std::isfinite(start) && std::isfinite(end) && std::isfinite(width) && count > 0;
    int32_t begin = int32_t(size), stop = 0;
    for (int64_t p = 0; p < P; ++p) {
      Bin bin{0, 0, 0};
      if (sampled) {
        bin = weigh_bin(samples_of_bin(start + T(p) * bin_width, bin_width, count, size), size, result.weights);
      }
      if (bin.count) {
        begin = std::min(begin, bin.start);
        stop = std::max(stop, bin.start + bin.count);
      }
      result.bins.push_back(bin);
    }
    result.extents[r] = stop > begin ? Extent{begin, stop - begin} : Extent{0, 0};
    for (int64_t p = 0; p < P; ++p) {
      Bin& bin = result.bins[r * P + p];
      if (bin.count) bin.start -= begin;
    }
  }
  return result;
}

template AxisBins<float> axis_bins<float>(const float*, int64_t, int, int64_t, int64_t, const Sampling&);
template AxisBins<double> axis_bins<double>(const double*, int64_t, int, int64_t, int64_t, const Sampling&);

}  // namespace detectory
