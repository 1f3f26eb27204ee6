#include <algorithm>
#include <vector>

#include "feature_maps.h"
#include "parallel.h"
#include "roi_align_rotated_kernel.h"
#include "rotated_taps.h"
#include "tensors.h"

namespace detectory {

namespace {

template <typename T>
struct Kernels {
  void (*load_block)(const Plane&, int64_t, int64_t, int64_t, T*);
  void (*store_block)(const T*, int64_t, int64_t, T*, int64_t);
  void (*gather)(const TapList<T>&, const T*, int64_t, T*);
  void (*scatter)(const TapList<T>&, const T*, T*);
};

template <typename T>
Kernels<T> kernels();

template <>
Kernels<float> kernels() {
  return {load_block_f32(), store_block_f32(), gather_taps_f32(), scatter_taps_f32()};
}

template <>
Kernels<double> kernels() {
  return {load_block_f64(), store_block_f64(), gather_taps_f64(), scatter_taps_f64()};
}

// The taps of all regions, grouped by image, and the range of rows read per image.
template <typename T>
struct Regions {
  std::vector<std::vector<int32_t>> of_image;
  std::vector<Taps<T>> taps;
  std::vector<int64_t> tops, bottoms;

  Regions(const Tensor& rois, int64_t B, const Grid& grid) : tops(B, grid.H), bottoms(B, 0) {
    const int64_t R = rois.size(0);
    const T* data = rois.const_data_ptr<T>();
    of_image = regions_by_image(data, R, B, "roi_align_rotated", 6);
    taps.resize(R);
    parallel_for(0, R, 8, [&](int64_t begin, int64_t end) {
      std::vector<T> map(grid.H * grid.W);
      for (int64_t r = begin; r < end; ++r) taps[r] = rotated_taps(data + 6 * r, grid, map);
    });
    for (int64_t b = 0; b < B; ++b) {
      for (const int64_t r : of_image[b]) {
        if (taps[r].pixels.empty()) continue;
        const auto [low, high] = std::minmax_element(taps[r].pixels.begin(), taps[r].pixels.end());
        tops[b] = std::min(tops[b], *low / grid.W);
        bottoms[b] = std::max(bottoms[b], *high / grid.W + 1);
      }
    }
  }

  TapList<T> list(int64_t r) const {
    const Taps<T>& own = taps[r];
    return {own.begins.data(), own.pixels.data(), own.weights.data(), int64_t(own.begins.size()) - 1, 0};
  }
};

template <typename T>
void forward(const FeatureMaps& maps, const Regions<T>& regions, int64_t cells, T* out) {
  const Kernels<T> run = kernels<T>();
  constexpr int64_t block = kBlock<T>;
  const int64_t blocks = (maps.C + block - 1) / block;
  const bool dense = maps.is<T>() && maps.strides[1] == 1 && maps.strides[2] == maps.W * maps.strides[3];
  parallel_for(0, maps.B * blocks, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> copy, pooled(cells * block);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / blocks, first = task % blocks * block, channels = std::min(block, maps.C - first);
      const bool direct = dense && channels == block;
      const int64_t top = regions.tops[b], rows = std::max<int64_t>(0, regions.bottoms[b] - top);
      const T* pixels = static_cast<const T*>(maps.plane(b, first, 0, 0).data);
      if (!direct && rows) {
        copy.resize(rows * maps.W * block);
        run.load_block(maps.plane(b, first, top, 0), channels, rows, maps.W, copy.data());
      }
      for (const int64_t r : regions.of_image[b]) {
        TapList<T> taps = regions.list(r);
        if (direct) {
          run.gather(taps, pixels, maps.strides[3], pooled.data());
        } else {
          taps.first_pixel = top * maps.W;
          run.gather(taps, copy.data(), block, pooled.data());
        }
        run.store_block(pooled.data(), channels, cells, out + (r * maps.C + first) * cells, cells);
      }
    }
  });
}

template <typename T>
void backward(const FeatureMaps& grads, const Regions<T>& regions, int64_t B, int64_t H, int64_t W, T* out) {
  const Kernels<T> run = kernels<T>();
  constexpr int64_t block = kBlock<T>;
  const int64_t C = grads.C, blocks = (C + block - 1) / block;
  // One task per image and channel block: no data races, and a fixed order of summation.
  parallel_for(0, B * blocks, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> sums(H * W * block), cells(grads.H * grads.W * block);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / blocks, first = task % blocks * block, channels = std::min(block, C - first);
      std::fill(sums.begin(), sums.end(), T(0));
      for (const int64_t r : regions.of_image[b]) {
        run.load_block(grads.plane(r, first, 0, 0), channels, grads.H, grads.W, cells.data());
        run.scatter(regions.list(r), cells.data(), sums.data());
      }
      run.store_block(sums.data(), channels, H * W, out + (b * C + first) * H * W, H * W);
    }
  });
}

ScalarType computed_in(ScalarType dtype) { return dtype == ScalarType::Double ? dtype : ScalarType::Float; }

template <typename T>
Tensor forward_as(const Tensor& input, const Tensor& rois, const Grid& grid, ScalarType dtype) {
  const FeatureMaps maps(input);
  const Tensor out = new_empty(input, {rois.size(0), maps.C, grid.PH, grid.PW}, dtype);
  if (out.numel() == 0) return out;
  const Regions<T> regions(contiguous_as(rois, dtype), maps.B, grid);
  forward(maps, regions, grid.PH * grid.PW, out.mutable_data_ptr<T>());
  return out;
}

template <typename T>
Tensor backward_as(const Tensor& grad, const Tensor& rois, const Grid& grid, int64_t B, ScalarType dtype) {
  const FeatureMaps grads(grad);
  const Tensor out = new_empty(grad, {B, grads.C, grid.H, grid.W}, dtype);
  if (out.numel() == 0) return out;
  const Regions<T> regions(contiguous_as(rois, dtype), B, grid);
  backward(grads, regions, B, grid.H, grid.W, out.mutable_data_ptr<T>());
  return out;
}

Tensor roi_align_rotated_cpu(const Tensor& input, const Tensor& rois, double spatial_scale, int64_t PH, int64_t PW,
                             int64_t sampling_ratio) {
  const ScalarType dtype = computed_in(input.scalar_type());
  const Grid grid{input.size(2), input.size(3), PH, PW, spatial_scale, sampling_ratio};
  const Tensor out = dtype == ScalarType::Double ? forward_as<double>(input, rois, grid, dtype)
                                                 : forward_as<float>(input, rois, grid, dtype);
  return dtype == input.scalar_type() ? out : torch::stable::to(out, input.scalar_type());
}

Tensor roi_align_rotated_backward_cpu(const Tensor& grad, const Tensor& rois, double spatial_scale, int64_t B,
                                      int64_t H, int64_t W, int64_t sampling_ratio) {
  const ScalarType dtype = computed_in(grad.scalar_type());
  const Grid grid{H, W, grad.size(2), grad.size(3), spatial_scale, sampling_ratio};
  const Tensor out = dtype == ScalarType::Double ? backward_as<double>(grad, rois, grid, B, dtype)
                                                 : backward_as<float>(grad, rois, grid, B, dtype);
  return dtype == grad.scalar_type() ? out : torch::stable::to(out, grad.scalar_type());
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("roi_align_rotated", TORCH_BOX(&roi_align_rotated_cpu));
  m.impl("roi_align_rotated_backward", TORCH_BOX(&roi_align_rotated_backward_cpu));
}

}  // namespace detectory
