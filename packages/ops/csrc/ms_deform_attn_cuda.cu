#include <tuple>

#include "cuda_elements.h"
#include "cuda_launch.h"
#include "ms_deform_attn_sizes.h"

namespace detectory {

inline namespace ms_deform_attn_gpu {

constexpr int kThreads = 256;

// The rows of `value` around a bilinear sample of one level. Rows outside the map, or outside the S rows of `value` if
// the levels exceed it, are invalid and must not be read.
template <typename T>
struct Sample {
  int64_t row[4];
  T weight[4], valid[4];
  T fy, fx;
  bool inside;

  __device__ Sample(int64_t H, int64_t W, int64_t start, int64_t S, const T* location) {
    const T x = location[0] * T(W) - T(0.5), y = location[1] * T(H) - T(0.5);
    inside = y > -1 && y < T(H) && x > -1 && x < T(W);
    if (!inside) return;
    const int64_t top = int64_t(floor(y)), left = int64_t(floor(x));
    fy = y - T(top), fx = x - T(left);
    for (int corner = 0; corner < 4; ++corner) {
      const int64_t r = top + corner / 2, c = left + corner % 2;
      row[corner] = start + r * W + c;
      const bool on_map = r >= 0 && r < H && c >= 0 && c < W && row[corner] >= 0 && row[corner] < S;
      valid[corner] = T(on_map);
      weight[corner] = on_map ? (corner / 2 ? fy : 1 - fy) * (corner % 2 ? fx : 1 - fx) : T(0);
    }
  }
};

// One thread per output element; the threads of a warp read neighbouring channels (coalesced).
template <typename T>
__global__ void attend_kernel(const T* __restrict__ value, const int64_t* __restrict__ shapes,
                              const int64_t* __restrict__ starts, const T* __restrict__ locations,
                              const T* __restrict__ weights, AttentionSizes n, int64_t total, T* __restrict__ out) {
  const int64_t points = n.L * n.P;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t d = i % n.D, head = i / n.D, m = head % n.M, b = head / (n.M * n.Q);
    const T* own = value + (b * n.S * n.M + m) * n.D + d;
    T sum = 0;
    for (int64_t k = 0; k < points; ++k) {
      const int64_t level = k / n.P;
      const T* location = locations + 2 * (head * points + k);
      const Sample<T> s(shapes[2 * level], shapes[2 * level + 1], starts[level], n.S, location);
      if (!s.inside) continue;
      T sample = 0;
      for (int corner = 0; corner < 4; ++corner) {
        if (s.valid[corner] != 0) sample += s.weight[corner] * own[s.row[corner] * n.M * n.D];
      }
      sum += weights[head * points + k] * sample;
    }
    out[i] = sum;
  }
}

// One warp per sampling point; reduces over its channels.
template <typename T>
__global__ void attend_back_kernel(const T* __restrict__ grad, const T* __restrict__ value,
                                   const int64_t* __restrict__ shapes, const int64_t* __restrict__ starts,
                                   const T* __restrict__ locations, const T* __restrict__ weights, AttentionSizes n,
                                   int64_t total, T* value_grad, T* __restrict__ location_grad,
                                   T* __restrict__ weight_grad) {
  const int64_t points = n.L * n.P;
  const int lane = threadIdx.x % 32;
  const int64_t warps = int64_t(gridDim.x) * blockDim.x / 32;
  for (int64_t i = (blockIdx.x * int64_t(blockDim.x) + threadIdx.x) / 32; i < total; i += warps) {
    const int64_t head = i / points, level = i % points / n.P, m = head % n.M, b = head / (n.M * n.Q);
    const int64_t H = shapes[2 * level], W = shapes[2 * level + 1];
    const Sample<T> s(H, W, starts[level], n.S, locations + 2 * i);
    T sums[4] = {0, 0, 0, 0};
    const T weight = weights[i];
    if (s.inside) {
      for (int64_t d = lane; d < n.D; d += 32) {
        const T from = grad[head * n.D + d];
        for (int corner = 0; corner < 4; ++corner) {
          if (s.valid[corner] == 0) continue;
          const int64_t at = (b * n.S + s.row[corner]) * n.M * n.D + m * n.D + d;
          sums[corner] += from * value[at];
          atomicAdd(value_grad + at, s.weight[corner] * weight * from);
        }
      }
    }
    for (int corner = 0; corner < 4; ++corner) {
      for (int step = 16; step > 0; step /= 2) sums[corner] += __shfl_xor_sync(0xffffffffu, sums[corner], step);
    }
    if (lane != 0) continue;
    T own = 0, x = 0, y = 0;
    if (s.inside) {
      for (int corner = 0; corner < 4; ++corner) own += s.weight[corner] * sums[corner];
      x = weight * T(W) * ((1 - s.fy) * (sums[1] - sums[0]) + s.fy * (sums[3] - sums[2]));
      y = weight * T(H) * ((1 - s.fx) * (sums[2] - sums[0]) + s.fx * (sums[3] - sums[1]));
    }
    weight_grad[i] = own;
    location_grad[2 * i] = x;
    location_grad[2 * i + 1] = y;
  }
}

template <typename T>
struct Operands {
  Tensor value, shapes, starts, locations, weights;
  AttentionSizes n;

  Operands(const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations,
           const Tensor& weights, ScalarType dtype)
      : value(contiguous_as(value, dtype)),
        shapes(contiguous_as(shapes, ScalarType::Long)),
        starts(contiguous_as(starts, ScalarType::Long)),
        locations(contiguous_as(locations, dtype)),
        weights(contiguous_as(weights, dtype)),
        n(value, locations) {}
};

template <typename T>
Tensor forward(const Operands<T>& o, ScalarType dtype) {
  const AttentionSizes& n = o.n;
  const Tensor out = new_empty(o.value, {n.B, n.Q, n.M * n.D}, dtype);
  const int64_t total = out.numel();
  if (total == 0) return out;
  attend_kernel<T><<<unsigned(blocks_for(total, kThreads)), kThreads, 0, current_stream(out)>>>(
      o.value.template const_data_ptr<T>(), o.shapes.template const_data_ptr<int64_t>(),
      o.starts.template const_data_ptr<int64_t>(), o.locations.template const_data_ptr<T>(),
      o.weights.template const_data_ptr<T>(), n, total, out.mutable_data_ptr<T>());
  check_launch("ms_deform_attn");
  return out;
}

template <typename T>
std::tuple<Tensor, Tensor, Tensor> backward(const Operands<T>& o, const Tensor& grad, ScalarType dtype) {
  const AttentionSizes& n = o.n;
  const Tensor grads = contiguous_as(grad, dtype);
  const Tensor value = new_zeros(o.value, {n.B, n.S, n.M, n.D}, dtype);
  const Tensor locations = new_zeros(o.value, {n.B, n.Q, n.M, n.L, n.P, 2}, dtype);
  const Tensor weights = new_zeros(o.value, {n.B, n.Q, n.M, n.L, n.P}, dtype);
  const int64_t total = weights.numel();
  if (total == 0 || n.D == 0) return {value, locations, weights};
  attend_back_kernel<T><<<unsigned(blocks_for(total * 32, kThreads)), kThreads, 0, current_stream(grads)>>>(
      grads.template const_data_ptr<T>(), o.value.template const_data_ptr<T>(),
      o.shapes.template const_data_ptr<int64_t>(), o.starts.template const_data_ptr<int64_t>(),
      o.locations.template const_data_ptr<T>(), o.weights.template const_data_ptr<T>(), n, total,
      value.template mutable_data_ptr<T>(), locations.template mutable_data_ptr<T>(),
      weights.template mutable_data_ptr<T>());
  check_launch("ms_deform_attn_backward");
  return {value, locations, weights};
}

Tensor ms_deform_attn_cuda(const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations,
                           const Tensor& weights) {
  const torch::stable::accelerator::DeviceGuard guard(value.get_device_index());
  const ScalarType own = value.scalar_type(), dtype = computed_in(own);
  const Tensor out = dtype == ScalarType::Double
                         ? forward(Operands<double>(value, shapes, starts, locations, weights, dtype), dtype)
                         : forward(Operands<float>(value, shapes, starts, locations, weights, dtype), dtype);
  return own == dtype ? out : torch::stable::to(out, own);
}

std::tuple<Tensor, Tensor, Tensor> ms_deform_attn_backward_cuda(const Tensor& grad, const Tensor& value,
                                                                const Tensor& shapes, const Tensor& starts,
                                                                const Tensor& locations, const Tensor& weights) {
  const torch::stable::accelerator::DeviceGuard guard(value.get_device_index());
  const ScalarType own = value.scalar_type(), dtype = computed_in(own);
  const auto grads = dtype == ScalarType::Double
                         ? backward(Operands<double>(value, shapes, starts, locations, weights, dtype), grad, dtype)
                         : backward(Operands<float>(value, shapes, starts, locations, weights, dtype), grad, dtype);
  if (own == dtype) return grads;
  const auto& [a, b, c] = grads;
  return {torch::stable::to(a, own), torch::stable::to(b, own), torch::stable::to(c, own)};
}

}  // namespace ms_deform_attn_gpu

STABLE_TORCH_LIBRARY_IMPL(detectory, CUDA, m) {
  m.impl("ms_deform_attn", TORCH_BOX(&ms_deform_attn_cuda));
  m.impl("ms_deform_attn_backward", TORCH_BOX(&ms_deform_attn_backward_cuda));
}

}  // namespace detectory
