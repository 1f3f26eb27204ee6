// How RoIAlign samples one axis of one region, as weights of pixels.
//
// A sample reads its two neighbours linearly, and the value of a bin is the mean of its samples. Rows and columns are
// independent, so the mean over a bin is a weighted sum over rows of weighted sums over columns: each pixel of a region
// is read once, however many samples fall on it.
#pragma once

#include <cstdint>
#include <vector>

namespace detectory {

struct Bin {
  int32_t start;   // first pixel, counted from the region's `begin`
  int32_t count;   // pixels with weights; 0 where no sample falls on the map
  int64_t offset;  // of the first weight
};

// One region: pixels [begin, begin + extent) are read along this axis.
struct Extent {
  int32_t begin, extent;
};

struct Sampling {
  double spatial_scale;
  int64_t ratio;  // samples per bin and axis; one per pixel when not positive
  bool aligned;
};

// One axis of all regions: bins[r * P + p].
template <typename T>
struct AxisBins {
  std::vector<Bin> bins;
  std::vector<Extent> extents;
  std::vector<T> weights;
};

// rois (R, 5) contiguous; `axis` is 0 for x, 1 for y; P bins over `size` pixels.
template <typename T>
AxisBins<T> axis_bins(const T* rois, int64_t R, int axis, int64_t P, int64_t size, const Sampling& sampling);

}  // namespace detectory
