// The samples of RoIAlign along one axis of a region, converted to pixel weights.
//
// A bilinear sample is the product of linear interpolations along both axes, and the value of a bin is the mean of its
// samples on a regular grid. The mean is therefore separable: a weighted sum over rows of weighted sums over columns.
// Each pixel of a region is read once, independent of the number of samples.
#pragma once

#include <cstdint>
#include <vector>

namespace detectory {

struct Bin {
  int32_t start;   // first pixel, relative to the region's `begin`
  int32_t count;   // pixels with weights; 0 if all samples are outside the map
  int64_t offset;  // index of the first weight
};

// One region: pixels [begin, begin + extent) are read along this axis.
struct Extent {
  int32_t begin, extent;
};

struct Sampling {
  double spatial_scale;
  int64_t ratio;  // samples per bin and axis; one per pixel if not positive
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
