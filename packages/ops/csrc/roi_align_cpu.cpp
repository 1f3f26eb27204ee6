#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <array>
#include <vector>

#include "feature_maps.h"
#include "parallel.h"
#include "roi_align_kernel.h"
#include "tensors.h"

namespace detectory {

namespace {

template <typename T>
struct Kernels {
  void (*load_block)(const Plane&, int64_t, int64_t, int64_t, T*);
  void (*store_block)(const T*, int64_t, int64_t, T*, int64_t);
  void (*pool)(const RoiBins<T>&, const T*, int64_t, int64_t, T*, T*);
  void (*unpool)(const RoiBins<T>&, const T*, T*, T*, int64_t);
};

template <typename T>
Kernels<T> kernels();

template <>
Kernels<float> kernels() {
  return {load_block_f32(), store_block_f32(), pool_f32(), unpool_f32()};
}

template <>
Kernels<double> kernels() {
  return {load_block_f64(), store_block_f64(), pool_f64(), unpool_f64()};
}

// All regions with their bins, grouped by image.
template <typename T>
struct Regions {
  int64_t PH, PW;
  AxisBins<T> y, x;
  std::vector<std::vector<int32_t>> of_image;

  Regions(const Tensor& rois, int64_t B, int64_t H, int64_t W, int64_t PH, int64_t PW, const Sampling& sampling)
      : PH(PH), PW(PW), of_image(regions_by_image(rois.const_data_ptr<T>(), rois.size(0), B, "roi_align")) {
    const T* data = rois.const_data_ptr<T>();
    y = axis_bins(data, rois.size(0), 1, PH, H, sampling);
    x = axis_bins(data, rois.size(0), 0, PW, W, sampling);
  }

  RoiBins<T> bins(int64_t r) const {
    return {&y.bins[r * PH],     &x.bins[r * PW],    y.weights.data(), x.weights.data(), PH, PW,
            y.extents[r].extent, x.extents[r].extent};
  }

  bool empty(int64_t r) const { return y.extents[r].extent == 0 || x.extents[r].extent == 0; }
};

struct Rectangle {
  int64_t y, x, height, width;
};

template <typename T>
Rectangle rectangle_of(const Regions<T>& regions, int64_t r) {
  const Extent y = regions.y.extents[r], x = regions.x.extents[r];
  return {y.begin, x.begin, y.extent, x.extent};
}

// The bounding rectangle of all regions of an image, if copying it once is cheaper than copying each region.
template <typename T>
Rectangle shared_rectangle(const Regions<T>& regions, const std::vector<int32_t>& own) {
  int64_t top = INT64_MAX, left = INT64_MAX, bottom = 0, right = 0, sum = 0;
  for (const int64_t r : own) {
    if (regions.empty(r)) continue;
    const Rectangle one = rectangle_of(regions, r);
    top = std::min(top, one.y), left = std::min(left, one.x);
    bottom = std::max(bottom, one.y + one.height), right = std::max(right, one.x + one.width);
    sum += one.height * one.width;
  }
  if (sum == 0 || sum < (bottom - top) * (right - left)) return {0, 0, 0, 0};
  return {top, left, bottom - top, right - left};
}

template <typename T>
void forward(const FeatureMaps& maps, const Regions<T>& regions, T* out) {
  const Kernels<T> run = kernels<T>();
  constexpr int64_t block = kBlock<T>;
  const int64_t cells = regions.PH * regions.PW, blocks = (maps.C + block - 1) / block;
  // The regions of an image are split if there are more threads than images times channel blocks.
  const int64_t threads = torch::stable::get_num_threads();
  const int64_t parts = std::max<int64_t>(1, 2 * threads / std::max<int64_t>(1, maps.B * blocks));
  std::vector<Rectangle> shared;
  for (const auto& own : regions.of_image) shared.push_back(shared_rectangle(regions, own));

  parallel_for(0, maps.B * blocks * parts, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> copy, lines(maps.W * block), pooled(cells * block);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / (blocks * parts), first = task / parts % blocks * block, part = task % parts;
      const int64_t channels = std::min(block, maps.C - first);
      const auto& own = regions.of_image[b];
      if (own.empty()) continue;
      const bool direct = channels == block && maps.strides[1] == 1 && maps.is<T>();
      const Rectangle whole = shared[b];
      if (!direct && whole.height) {
        copy.resize(whole.height * whole.width * block);
        run.load_block(maps.plane(b, first, whole.y, whole.x), channels, whole.height, whole.width, copy.data());
      }
      const int64_t stop = own.size() * (part + 1) / parts;
      for (int64_t i = own.size() * part / parts; i < stop; ++i) {
        const int64_t r = own[i];
        T* to = out + (r * maps.C + first) * cells;
        if (regions.empty(r)) {
          std::fill(to, to + channels * cells, T(0));
          continue;
        }
        const Rectangle at = rectangle_of(regions, r);
        if (direct) {
          const T* pixels = static_cast<const T*>(maps.plane(b, first, at.y, at.x).data);
          run.pool(regions.bins(r), pixels, maps.strides[2], maps.strides[3], lines.data(), pooled.data());
        } else if (whole.height) {
          const T* pixels = copy.data() + ((at.y - whole.y) * whole.width + at.x - whole.x) * block;
          run.pool(regions.bins(r), pixels, whole.width * block, block, lines.data(), pooled.data());
        } else {
          copy.resize(at.height * at.width * block);
          run.load_block(maps.plane(b, first, at.y, at.x), channels, at.height, at.width, copy.data());
          run.pool(regions.bins(r), copy.data(), at.width * block, block, lines.data(), pooled.data());
        }
        run.store_block(pooled.data(), channels, cells, to, cells);
      }
    }
  });
}

template <typename T>
void backward(const FeatureMaps& grads, const Regions<T>& regions, int64_t B, int64_t H, int64_t W, bool channels_last,
              T* out) {
  const Kernels<T> run = kernels<T>();
  constexpr int64_t block = kBlock<T>;
  const int64_t C = grads.C, cells = regions.PH * regions.PW, blocks = (C + block - 1) / block;
  // One task accumulates all regions for its channels: no data races, and a fixed order of summation.
  parallel_for(0, B * blocks, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> sums(H * W * block), lines(regions.PH * W * block), pooled(cells * block);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / blocks, first = task % blocks * block, channels = std::min(block, C - first);
      std::fill(sums.begin(), sums.end(), T(0));
      for (const int64_t r : regions.of_image[b]) {
        if (regions.empty(r)) continue;
        run.load_block(grads.plane(r, first, 0, 0), channels, regions.PH, regions.PW, pooled.data());
        const Rectangle at = rectangle_of(regions, r);
        run.unpool(regions.bins(r), pooled.data(), lines.data(), sums.data() + (at.y * W + at.x) * block, W * block);
      }
      if (channels_last) {
        T* to = out + b * H * W * C + first;
        for (int64_t i = 0; i < H * W; ++i) std::copy_n(sums.data() + i * block, channels, to + i * C);
      } else {
        run.store_block(sums.data(), channels, H * W, out + (b * C + first) * H * W, H * W);
      }
    }
  });
}

ScalarType computed_in(ScalarType dtype) { return dtype == ScalarType::Double ? dtype : ScalarType::Float; }

Tensor roi_align_cpu(const Tensor& input, const Tensor& rois, double spatial_scale, int64_t PH, int64_t PW,
                     int64_t sampling_ratio, bool aligned) {
  const FeatureMaps maps(input);
  const ScalarType dtype = computed_in(input.scalar_type());
  const Tensor regions = contiguous_as(rois, dtype);
  const Tensor out = new_empty(input, {rois.size(0), maps.C, PH, PW}, dtype);
  const Sampling sampling{spatial_scale, sampling_ratio, aligned};
  if (out.numel() == 0) {
    // Nothing to pool.
  } else if (dtype == ScalarType::Double) {
    forward(maps, Regions<double>(regions, maps.B, maps.H, maps.W, PH, PW, sampling), out.mutable_data_ptr<double>());
  } else {
    forward(maps, Regions<float>(regions, maps.B, maps.H, maps.W, PH, PW, sampling), out.mutable_data_ptr<float>());
  }
  return dtype == input.scalar_type() ? out : torch::stable::to(out, input.scalar_type());
}

Tensor roi_align_backward_cpu(const Tensor& grad, const Tensor& rois, double spatial_scale, int64_t B, int64_t H,
                              int64_t W, int64_t sampling_ratio, bool aligned, bool channels_last, bool) {
  const FeatureMaps grads(grad);
  const ScalarType dtype = computed_in(grad.scalar_type());
  const Tensor regions = contiguous_as(rois, dtype);
  const int64_t C = grads.C, PH = grads.H, PW = grads.W;
  Tensor out = channels_last ? new_empty(grad, {B, H, W, C}, dtype) : new_empty(grad, {B, C, H, W}, dtype);
  const Sampling sampling{spatial_scale, sampling_ratio, aligned};
  if (out.numel() == 0) {
    // Nothing to add to.
  } else if (dtype == ScalarType::Double) {
    backward(grads, Regions<double>(regions, B, H, W, PH, PW, sampling), B, H, W, channels_last,
             out.mutable_data_ptr<double>());
  } else {
    backward(grads, Regions<float>(regions, B, H, W, PH, PW, sampling), B, H, W, channels_last,
             out.mutable_data_ptr<float>());
  }
  if (channels_last) out = torch::stable::permute(out, std::array<int64_t, 4>{0, 3, 1, 2});
  return dtype == grad.scalar_type() ? out : torch::stable::to(out, grad.scalar_type());
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("roi_align", TORCH_BOX(&roi_align_cpu));
  m.impl("roi_align_backward", TORCH_BOX(&roi_align_backward_cpu));
}

}  // namespace detectory
