#include "cuda_elements.h"
#include "cuda_launch.h"

namespace detectory {

inline namespace roi_align_rotated_gpu {

constexpr int kThreads = 256;

struct Geometry {
  int64_t B, C, H, W, PH, PW, ratio;
  double scale;
  int64_t strides[4];  // of the feature map, or of its gradient
};

template <typename T>
struct Bilinear {
  int top, left, bottom, right;
  T fy, fx;
  bool inside;

  __device__ Bilinear(T y, T x, int H, int W) : inside(y >= -1 && y <= T(H) && x >= -1 && x <= T(W)) {
    if (!inside) return;
    y = min(max(y, T(0)), T(H - 1)), x = min(max(x, T(0)), T(W - 1));
    top = int(y), left = int(x);
    bottom = min(top + 1, H - 1), right = min(left + 1, W - 1);
    fy = y - T(top), fx = x - T(left);
  }
};

// The samples of one cell of a region, clipped to those that can be inside the map.
template <typename T>
struct CellSamples {
  T cx, cy, c, s, y0, x0, y_step, x_step, share;
  int64_t y_first, y_last, x_first, x_last, image;

  __device__ static void clip(T start, T step, T count, double low, double high, int64_t& first, int64_t& last) {
    const double from = floor((low - start) / step - 0.5) - 1, to = ceil((high - start) / step - 0.5) + 1;
    first = 0, last = -1;
    if (!(from < double(count) && to >= 0 && from < 1e9)) return;
    first = int64_t(max(from, 0.0));
    last = int64_t(min(min(to, double(count) - 1), 1e9));
  }

  __device__ CellSamples(const T* roi, const Geometry& g, int ph, int pw) : image(-1) {
    if (!(roi[0] >= 0 && roi[0] < T(g.B))) return;
    const T scale = T(g.scale), width = roi[3] * scale, height = roi[4] * scale;
    cx = roi[1] * scale - T(0.5), cy = roi[2] * scale - T(0.5);
    const T radians = roi[5] * T(3.14159265358979323846 / 180);
    c = cos(radians), s = sin(radians);
    const T bin_w = width / T(g.PW), bin_h = height / T(g.PH);
    const T rows = g.ratio > 0 ? T(g.ratio) : ceil(bin_h), columns = g.ratio > 0 ? T(g.ratio) : ceil(bin_w);
    if (!(isfinite(cx) && isfinite(cy) && isfinite(c) && isfinite(rows * columns) && width > 0 && height > 0)) return;
    image = int64_t(roi[0]);
    y0 = -height / 2 + T(ph) * bin_h, x0 = -width / 2 + T(pw) * bin_w;
    y_step = bin_h / rows, x_step = bin_w / columns, share = 1 / (rows * columns);
    double x_low = 1e300, x_high = -1e300, y_low = 1e300, y_high = -1e300;
    for (int corner = 0; corner < 4; ++corner) {
      const double dx = (corner & 1 ? double(g.W) : -1.0) - cx, dy = (corner & 2 ? double(g.H) : -1.0) - cy;
      const double along = dx * c - dy * s, across = dx * s + dy * c;
      x_low = min(x_low, along), x_high = max(x_high, along), y_low = min(y_low, across), y_high = max(y_high, across);
    }
    clip(y0, y_step, rows, y_low, y_high, y_first, y_last);
    clip(x0, x_step, columns, x_low, x_high, x_first, x_last);
  }

  template <typename Body>
  __device__ void each(int H, int W, const Body& body) const {
    if (image < 0) return;
    for (int64_t i = y_first; i <= y_last; ++i) {
      const T across = y0 + (T(i) + T(0.5)) * y_step;
      for (int64_t j = x_first; j <= x_last; ++j) {
        const T along = x0 + (T(j) + T(0.5)) * x_step;
        const Bilinear<T> at(across * c - along * s + cy, across * s + along * c + cx, H, W);
        if (at.inside) body(at);
      }
    }
  }
};

// One thread per cell and channel. Channels are the fastest index if the map is channels-last.
template <typename T>
__device__ inline void locate(int64_t i, const Geometry& g, int64_t& r, int64_t& c, int& ph, int& pw) {
  const int64_t cells = g.PH * g.PW;
  int64_t cell;
  if (g.strides[1] == 1) {
    c = i % g.C, cell = i / g.C % cells;
  } else {
    cell = i % cells, c = i / cells % g.C;
  }
  r = i / (g.C * cells), ph = int(cell / g.PW), pw = int(cell % g.PW);
}

template <typename E, typename T>
__global__ void gather_kernel(const E* __restrict__ input, const T* __restrict__ rois, int64_t total, Geometry g,
                              E* __restrict__ out) {
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    int64_t r, c;
    int ph, pw;
    locate<T>(i, g, r, c, ph, pw);
    const CellSamples<T> samples(rois + 6 * r, g, ph, pw);
    const E* plane = input + max(samples.image, int64_t(0)) * g.strides[0] + c * g.strides[1];
    const auto at = [&](int y, int x) { return T(number(plane[y * g.strides[2] + x * g.strides[3]])); };
    T sum = 0;
    samples.each(int(g.H), int(g.W), [&](const Bilinear<T>& b) {
      sum += (1 - b.fy) * ((1 - b.fx) * at(b.top, b.left) + b.fx * at(b.top, b.right)) +
             b.fy * ((1 - b.fx) * at(b.bottom, b.left) + b.fx * at(b.bottom, b.right));
    });
    out[((r * g.C + c) * g.PH + ph) * g.PW + pw] = element<E>(samples.image < 0 ? T(0) : sum * samples.share);
  }
}

template <typename E, typename T>
__global__ void scatter_kernel(const E* __restrict__ grad, int64_t s0, int64_t s1, int64_t s2, int64_t s3,
                               const T* __restrict__ rois, int64_t total, Geometry g, T* out) {
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    int64_t r, c;
    int ph, pw;
    locate<T>(i, g, r, c, ph, pw);
    const CellSamples<T> samples(rois + 6 * r, g, ph, pw);
    if (samples.image < 0) continue;
    const T value = T(number(grad[r * s0 + c * s1 + ph * s2 + pw * s3])) * samples.share;
    T* plane = out + samples.image * g.strides[0] + c * g.strides[1];
    const auto add = [&](int y, int x, T weight) {
      atomicAdd(plane + y * g.strides[2] + x * g.strides[3], weight * value);
    };
    samples.each(int(g.H), int(g.W), [&](const Bilinear<T>& b) {
      add(b.top, b.left, (1 - b.fy) * (1 - b.fx)), add(b.top, b.right, (1 - b.fy) * b.fx);
      add(b.bottom, b.left, b.fy * (1 - b.fx)), add(b.bottom, b.right, b.fy * b.fx);
    });
  }
}

Tensor roi_align_rotated_cuda(const Tensor& input, const Tensor& rois, double spatial_scale, int64_t PH, int64_t PW,
                              int64_t sampling_ratio) {
  const torch::stable::accelerator::DeviceGuard guard(input.get_device_index());
  const ScalarType dtype = input.scalar_type();
  const Tensor regions = contiguous_as(rois, computed_in(dtype));
  Geometry g{input.size(0), input.size(1), input.size(2), input.size(3), PH, PW, sampling_ratio, spatial_scale, {}};
  for (int i = 0; i < 4; ++i) g.strides[i] = input.stride(i);
  const Tensor out = new_empty(input, {rois.size(0), g.C, PH, PW}, dtype);
  const int64_t total = out.numel();
  if (total == 0) return out;
  for_element_type(dtype, [&](auto example) {
    using E = decltype(example);
    using T = typename Accumulator<E>::type;
    gather_kernel<E, T><<<unsigned(blocks_for(total, kThreads)), kThreads, 0, current_stream(input)>>>(
        static_cast<const E*>(input.const_data_ptr()), regions.const_data_ptr<T>(), total, g,
        static_cast<E*>(out.mutable_data_ptr()));
  });
  check_launch("roi_align_rotated");
  return out;
}

Tensor roi_align_rotated_backward_cuda(const Tensor& grad, const Tensor& rois, double spatial_scale, int64_t B,
                                       int64_t H, int64_t W, int64_t sampling_ratio) {
  const torch::stable::accelerator::DeviceGuard guard(grad.get_device_index());
  const ScalarType dtype = grad.scalar_type(), sum_dtype = computed_in(dtype);
  const Tensor regions = contiguous_as(rois, sum_dtype);
  const Tensor out = new_zeros(grad, {B, grad.size(1), H, W}, sum_dtype);
  Geometry g{B, grad.size(1), H, W, grad.size(2), grad.size(3), sampling_ratio, spatial_scale, {}};
  for (int i = 0; i < 4; ++i) g.strides[i] = out.stride(i);
  const int64_t total = grad.numel();
  if (total > 0 && out.numel() > 0) {
    for_element_type(dtype, [&](auto example) {
      using E = decltype(example);
      using T = typename Accumulator<E>::type;
      scatter_kernel<E, T><<<unsigned(blocks_for(total, kThreads)), kThreads, 0, current_stream(grad)>>>(
          static_cast<const E*>(grad.const_data_ptr()), grad.stride(0), grad.stride(1), grad.stride(2), grad.stride(3),
          regions.const_data_ptr<T>(), total, g, out.mutable_data_ptr<T>());
    });
    check_launch("roi_align_rotated_backward");
  }
  return dtype == sum_dtype ? out : torch::stable::to(out, dtype);
}

}  // namespace roi_align_rotated_gpu

STABLE_TORCH_LIBRARY_IMPL(detectory, CUDA, m) {
  m.impl("roi_align_rotated", TORCH_BOX(&roi_align_rotated_cuda));
  m.impl("roi_align_rotated_backward", TORCH_BOX(&roi_align_rotated_backward_cuda));
}

}  // namespace detectory
