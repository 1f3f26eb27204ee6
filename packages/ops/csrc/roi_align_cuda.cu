// As on the CPU, a bin is a weighted sum over rows of weighted sums over columns (roi_bins.h). A thread block computes
// the weights of its region in shared memory. In the forward pass, one thread per output cell reads each pixel of the
// cell once; in the backward pass, one thread per pixel accumulates once per region.
#include <algorithm>

#include "cuda_elements.h"
#include "cuda_launch.h"

namespace detectory {

inline namespace roi_align_gpu {

constexpr int kThreads = 256;

struct Geometry {
  int64_t B, C, H, W, PH, PW, ratio;
  double scale;
  bool aligned;
  int64_t strides[4];  // of the feature map
};

// One axis of a region in shared memory. The weight of pixel i in bin p is weights[i + 2 * p]: neighbouring bins share
// at most two pixels, so these indices are distinct. firsts and lasts are the bins that touch a pixel.
template <typename T>
struct Axis {
  T* weights;            // (size + 2 * P)
  int *starts, *counts;  // (P)
  int *firsts, *lasts;   // (size)
  int begin, end;        // range of pixels touched by any bin
};

template <typename T>
__host__ __device__ inline int64_t axis_bytes(int64_t size, int64_t P) {
  return (size + 2 * P) * sizeof(T) + (2 * P + 2 * size) * sizeof(int);
}

template <typename T>
__device__ Axis<T> axis_at(T* weights, int* numbers, int64_t size, int64_t P) {
  return {weights, numbers, numbers + P, numbers + 2 * P, numbers + 2 * P + size, 0, 0};
}

template <typename T>
__device__ void weigh_bin(Axis<T>& axis, int p, bool reversed, T start, T step, T count, int64_t size, bool sampled) {
  axis.starts[p] = axis.counts[p] = 0;
  if (!sampled) return;
  int64_t first = 0, last = int64_t(min(count, T(1e9))) - 1;
  if (step > 0) {  // only samples in [-1, size]
    const double from = floor((-1.0 - start) / step - 0.5) - 1, to = ceil((size - double(start)) / step - 0.5) + 1;
    if (!(from < 1e9 && to >= 0)) return;
    first = max(int64_t(0), int64_t(max(from, 0.0)));
    last = int64_t(min(min(to, double(count) - 1), 1e9));
  }
  const int slot = 2 * (reversed ? -p : p);
  T* weights = axis.weights + slot;
  int low_end = -1, high_end = -1;
  for (int64_t k = 0; k <= last - first; ++k) {
    const int64_t i = reversed ? last - k : first + k;
    T position = start + (T(i) + T(0.5)) * step;
    if (!(position >= -1 && position <= T(size))) continue;
    position = max(position, T(0));
    int low = int(position);
    if (low >= size - 1) {
      low = int(size) - 1;
      position = T(low);
    }
    const T fraction = position - T(low);
    const int high = min(low + 1, int(size) - 1);
    if (low_end < 0) low_end = low;
    for (int pixel = high_end < 0 ? low : high_end + 1; pixel <= high; ++pixel) weights[pixel] = 0;
    high_end = max(high_end, high);
    weights[low] += (1 - fraction) / count;
    weights[high] += fraction / count;
  }
  if (low_end < 0) return;
  axis.starts[p] = low_end;
  axis.counts[p] = high_end - low_end + 1;
  for (int pixel = low_end; pixel <= high_end; ++pixel) {
    atomicMin(axis.firsts + pixel, p);
    atomicMax(axis.lasts + pixel, p);
  }
}

// Fills both axes and synchronises the block. Returns the batch index of the region, or -1 if it is invalid.
template <typename T>
__device__ int64_t weigh_region(const T* roi, const Geometry& g, Axis<T>& y, Axis<T>& x, bool* reversed) {
  for (int i = threadIdx.x; i < g.H; i += blockDim.x) y.firsts[i] = int(g.PH), y.lasts[i] = -1;
  for (int i = threadIdx.x; i < g.W; i += blockDim.x) x.firsts[i] = int(g.PW), x.lasts[i] = -1;
  __syncthreads();
  for (int i = threadIdx.x; i < g.PH + g.PW; i += blockDim.x) {
    const bool along_y = i < g.PH;
    const int p = along_y ? i : i - int(g.PH);
    const T P = T(along_y ? g.PH : g.PW), shift = g.aligned ? T(0.5) : T(0);
    const T start = roi[along_y ? 2 : 1] * T(g.scale) - shift, end = roi[along_y ? 4 : 3] * T(g.scale) - shift;
    const T width = g.aligned ? end - start : max(end - start, T(1));
    const T bin = width / P, count = g.ratio > 0 ? T(g.ratio) : ceil(bin);
    const bool sampled = isfinite(start) && isfinite(end) && isfinite(width) && count > 0;
    const bool backwards = bin < 0;
    if (p == 0) reversed[along_y ? 0 : 1] = backwards;
    // A reversed axis is processed from its far side, which keeps the indices of neighbouring bins distinct.
    Axis<T>& axis = along_y ? y : x;
    Axis<T> shifted = axis;
    if (backwards) shifted.weights += 2 * (int(P) - 1);
    weigh_bin(shifted, p, backwards, start + T(p) * bin, bin / count, count, along_y ? g.H : g.W, sampled);
  }
  __syncthreads();
  const T image = roi[0];
  return image >= 0 && image < T(g.B) ? int64_t(image) : -1;
}

// The weights of bin p, to be indexed by pixel.
template <typename T>
__device__ inline const T* weights_of(const Axis<T>& axis, int p, int64_t P, bool reversed) {
  return axis.weights + 2 * (reversed ? int(P) - 1 - p : p);
}

template <typename T>
__device__ inline void carve(unsigned char* memory, const Geometry& g, Axis<T>& y, Axis<T>& x) {
  T* weights = reinterpret_cast<T*>(memory);
  const int64_t y_weights = g.H + 2 * g.PH, x_weights = g.W + 2 * g.PW;
  int* numbers = reinterpret_cast<int*>(weights + y_weights + x_weights);
  y = axis_at(weights, numbers, g.H, g.PH);
  x = axis_at(weights + y_weights, numbers + 2 * (g.PH + g.H), g.W, g.PW);
}

template <typename E, typename T, bool channels_last>
__global__ void pool_kernel(const E* __restrict__ input, const T* __restrict__ rois, Geometry g, int block_channels,
                            E* __restrict__ out) {
  extern __shared__ __align__(8) unsigned char memory[];
  __shared__ bool reversed[2];
  Axis<T> y, x;
  carve(memory, g, y, x);
  const int64_t r = blockIdx.x, first = int64_t(blockIdx.y) * block_channels;
  const int64_t b = weigh_region(rois + 5 * r, g, y, x, reversed);
  const int channels = int(min(int64_t(block_channels), g.C - first));
  const int cells = int(g.PH * g.PW);
  for (int i = threadIdx.x; i < channels * cells; i += blockDim.x) {
    const int c = channels_last ? i % channels : i / cells, cell = channels_last ? i / channels : i % cells;
    const int ph = cell / int(g.PW), pw = cell % int(g.PW);
    T sum = 0;
    if (b >= 0) {
      const T *wy = weights_of(y, ph, g.PH, reversed[0]), *wx = weights_of(x, pw, g.PW, reversed[1]);
      const E* plane = input + b * g.strides[0] + (first + c) * g.strides[1];
      const int x_end = x.starts[pw] + x.counts[pw], y_end = y.starts[ph] + y.counts[ph];
      for (int row = y.starts[ph]; row < y_end; ++row) {
        const E* line = plane + row * g.strides[2];
        T line_sum = 0;
        for (int column = x.starts[pw]; column < x_end; ++column) {
          line_sum += wx[column] * T(number(line[column * g.strides[3]]));
        }
        sum += wy[row] * line_sum;
      }
    }
    out[(r * g.C + first + c) * cells + cell] = element<E>(sum);
  }
}

// Accumulates the gradient of one region into channels [first, first + channels) of its image.
template <typename E, typename T, bool atomic>
__device__ void unpool_region(const E* grad, const int64_t* grad_strides, const Geometry& g, const Axis<T>& y,
                              const Axis<T>& x, const bool* reversed, int64_t b, int64_t first, int channels, T* out) {
  __shared__ int extent[4];
  if (threadIdx.x == 0) {
    int top = int(g.H), bottom = 0, left = int(g.W), right = 0;
    for (int p = 0; p < g.PH; ++p) {
      if (y.counts[p]) top = min(top, y.starts[p]), bottom = max(bottom, y.starts[p] + y.counts[p]);
    }
    for (int p = 0; p < g.PW; ++p) {
      if (x.counts[p]) left = min(left, x.starts[p]), right = max(right, x.starts[p] + x.counts[p]);
    }
    extent[0] = top, extent[1] = left, extent[2] = max(0, bottom - top), extent[3] = max(0, right - left);
  }
  __syncthreads();
  const int width = extent[3], pixels = extent[2] * width;
  for (int64_t i = threadIdx.x; i < int64_t(pixels) * channels; i += blockDim.x) {
    const int64_t c = first + i / pixels;
    const int row = extent[0] + int(i % pixels) / width, column = extent[1] + int(i % pixels) % width;
    const E* cells = grad + c * grad_strides[1];
    T sum = 0;
    for (int ph = y.firsts[row]; ph <= y.lasts[row]; ++ph) {
      const T wy = weights_of(y, ph, g.PH, reversed[0])[row];
      for (int pw = x.firsts[column]; pw <= x.lasts[column]; ++pw) {
        const T wx = weights_of(x, pw, g.PW, reversed[1])[column];
        sum += wy * wx * T(number(cells[ph * grad_strides[2] + pw * grad_strides[3]]));
      }
    }
    T* at = out + b * g.strides[0] + c * g.strides[1] + row * g.strides[2] + column * g.strides[3];
    if (atomic) {
      if (sum != 0) atomicAdd(at, sum);
    } else {
      *at += sum;
    }
  }
  __syncthreads();
}

struct Strides {
  int64_t of[4];
};

template <typename E, typename T>
__global__ void unpool_kernel(const E* __restrict__ grad, Strides strides, const T* __restrict__ rois, Geometry g,
                              int block_channels, T* out) {
  extern __shared__ __align__(8) unsigned char memory[];
  __shared__ bool reversed[2];
  Axis<T> y, x;
  carve(memory, g, y, x);
  const int64_t r = blockIdx.x, first = int64_t(blockIdx.y) * block_channels;
  const int64_t b = weigh_region(rois + 5 * r, g, y, x, reversed);
  if (b < 0) return;
  const int channels = int(min(int64_t(block_channels), g.C - first));
  unpool_region<E, T, true>(grad + r * strides.of[0], strides.of, g, y, x, reversed, b, first, channels, out);
}

// Deterministic variant: one block per image and channel range processes the regions in order.
template <typename E, typename T>
__global__ void unpool_in_order_kernel(const E* __restrict__ grad, Strides strides, const T* __restrict__ rois,
                                       int64_t R, Geometry g, int block_channels, T* out) {
  extern __shared__ __align__(8) unsigned char memory[];
  __shared__ bool reversed[2];
  const int64_t own = blockIdx.x, first = int64_t(blockIdx.y) * block_channels;
  const int channels = int(min(int64_t(block_channels), g.C - first));
  for (int64_t r = 0; r < R; ++r) {
    const T image = rois[5 * r];
    if (!(image >= 0 && image < T(g.B)) || int64_t(image) != own) continue;
    Axis<T> y, x;
    carve(memory, g, y, x);
    weigh_region(rois + 5 * r, g, y, x, reversed);
    unpool_region<E, T, false>(grad + r * strides.of[0], strides.of, g, y, x, reversed, own, first, channels, out);
  }
}

template <typename T>
int64_t shared_bytes(const Geometry& g) {
  return axis_bytes<T>(g.H, g.PH) + axis_bytes<T>(g.W, g.PW);
}

template <typename Kernel>
void allow_shared(Kernel kernel, int64_t bytes) {
  if (bytes <= 48 * 1024) return;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(bytes));
  STD_TORCH_CHECK(error == cudaSuccess, "roi_align: the feature map is too large for this GPU's shared memory");
}

Tensor roi_align_cuda(const Tensor& input, const Tensor& rois, double spatial_scale, int64_t PH, int64_t PW,
                      int64_t sampling_ratio, bool aligned) {
  const torch::stable::accelerator::DeviceGuard guard(input.get_device_index());
  const ScalarType dtype = input.scalar_type();
  const Tensor regions = contiguous_as(rois, computed_in(dtype));
  const int64_t R = rois.size(0);
  Geometry g{
      input.size(0), input.size(1), input.size(2), input.size(3), PH, PW, sampling_ratio, spatial_scale, aligned, {}};
  for (int i = 0; i < 4; ++i) g.strides[i] = input.stride(i);
  const Tensor out = new_empty(input, {R, g.C, PH, PW}, dtype);
  if (out.numel() == 0) return out;
  const int block_channels = 32;
  const dim3 grid(unsigned(R), unsigned((g.C + block_channels - 1) / block_channels));
  for_element_type(dtype, [&](auto example) {
    using E = decltype(example);
    using T = typename Accumulator<E>::type;
    const auto kernel = g.strides[1] == 1 ? pool_kernel<E, T, true> : pool_kernel<E, T, false>;
    const int64_t bytes = shared_bytes<T>(g);
    allow_shared(kernel, bytes);
    kernel<<<grid, kThreads, bytes, current_stream(input)>>>(static_cast<const E*>(input.const_data_ptr()),
                                                             regions.const_data_ptr<T>(), g, block_channels,
                                                             static_cast<E*>(out.mutable_data_ptr()));
  });
  check_launch("roi_align");
  return out;
}

Tensor roi_align_backward_cuda(const Tensor& grad, const Tensor& rois, double spatial_scale, int64_t B, int64_t H,
                               int64_t W, int64_t sampling_ratio, bool aligned, bool channels_last,
                               bool deterministic) {
  const torch::stable::accelerator::DeviceGuard guard(grad.get_device_index());
  const ScalarType dtype = grad.scalar_type(), sum_dtype = computed_in(dtype);
  const Tensor regions = contiguous_as(rois, sum_dtype);
  const int64_t R = rois.size(0), C = grad.size(1);
  Tensor out = channels_last ? new_zeros(grad, {B, H, W, C}, sum_dtype) : new_zeros(grad, {B, C, H, W}, sum_dtype);
  if (channels_last) out = torch::stable::permute(out, std::array<int64_t, 4>{0, 3, 1, 2});
  Geometry g{B, C, H, W, grad.size(2), grad.size(3), sampling_ratio, spatial_scale, aligned, {}};
  Strides strides{};
  for (int i = 0; i < 4; ++i) g.strides[i] = out.stride(i), strides.of[i] = grad.stride(i);
  if (out.numel() == 0 || grad.numel() == 0) return dtype == sum_dtype ? out : torch::stable::to(out, dtype);
  for_element_type(dtype, [&](auto example) {
    using E = decltype(example);
    using T = typename Accumulator<E>::type;
    const int64_t bytes = shared_bytes<T>(g);
    const E* from = static_cast<const E*>(grad.const_data_ptr());
    T* to = out.mutable_data_ptr<T>();
    const cudaStream_t stream = current_stream(grad);
    if (deterministic) {
      const int block_channels = 4;
      const dim3 grid(unsigned(B), unsigned((C + block_channels - 1) / block_channels));
      allow_shared(unpool_in_order_kernel<E, T>, bytes);
      unpool_in_order_kernel<E, T>
          <<<grid, kThreads, bytes, stream>>>(from, strides, regions.const_data_ptr<T>(), R, g, block_channels, to);
    } else {
      const int block_channels = 32;
      const dim3 grid(unsigned(R), unsigned((C + block_channels - 1) / block_channels));
      allow_shared(unpool_kernel<E, T>, bytes);
      unpool_kernel<E, T>
          <<<grid, kThreads, bytes, stream>>>(from, strides, regions.const_data_ptr<T>(), g, block_channels, to);
    }
  });
  check_launch("roi_align_backward");
  return dtype == sum_dtype ? out : torch::stable::to(out, dtype);
}

}  // namespace roi_align_gpu

STABLE_TORCH_LIBRARY_IMPL(detectory, CUDA, m) {
  m.impl("roi_align", TORCH_BOX(&roi_align_cuda));
  m.impl("roi_align_backward", TORCH_BOX(&roi_align_backward_cuda));
}

}  // namespace detectory
