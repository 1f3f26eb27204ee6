#include <algorithm>

#include "cuda_elements.h"
#include "cuda_launch.h"
#include "shared_number.h"

namespace detectory {

inline namespace losses_gpu {

constexpr int kThreads = 256;
// Maximum number of blocks of a sum; partial sums are added in a fixed order, so that results are reproducible.
constexpr int64_t kSumBlocks = 1024;

struct Focal {
  double negative, positive, gamma;
};

Focal focal_of(double alpha, double gamma) { return alpha < 0 ? Focal{1, 1, gamma} : Focal{1 - alpha, alpha, gamma}; }

// The terms in losses_kernel.h for one logit.
template <typename T>
struct Terms {
  T p, not_p, q, entropy, weight, modulation;
};

template <typename T>
__device__ inline Terms<T> terms_of(T x, T t, const Focal& focal) {
  Terms<T> terms;
  // The clamp keeps q a normal number.
  const T small = x != x ? x : exp(max(-abs(x), T(sizeof(T) == 8 ? -700 : -87))), inverse = T(1) / (T(1) + small);
  terms.p = x >= 0 ? inverse : small * inverse;
  terms.not_p = x >= 0 ? small * inverse : inverse;
  terms.q = terms.p * (T(1) - t) + terms.not_p * t;
  const T above = x > 0 && t != T(1) ? x * (T(1) - t) : T(0), below = x < 0 && t != T(0) ? x * t : T(0);
  terms.entropy = above - below + log1p(small);
  terms.weight = T(focal.negative) * (T(1) - t) + T(focal.positive) * t;
  terms.modulation = focal.gamma == 2 ? terms.q * terms.q : pow(terms.q, T(focal.gamma));
  return terms;
}

template <typename T>
__device__ inline T loss_of(T x, T t, const Focal& focal) {
  const Terms<T> terms = terms_of(x, t, focal);
  return terms.weight * (terms.modulation * terms.entropy);
}

template <typename T>
__device__ inline T slope_of(T x, T t, const Focal& focal) {
  const Terms<T> terms = terms_of(x, t, focal);
  const T inner = T(focal.gamma) * terms.modulation / terms.q;
  return terms.weight *
         ((terms.p - t) * terms.modulation + inner * (terms.p * terms.not_p) * (T(1) - T(2) * t) * terms.entropy);
}

template <typename E>
__global__ void loss_kernel(const E* __restrict__ x, const E* __restrict__ t, int64_t count, Focal focal,
                            E* __restrict__ out) {
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < count; i += int64_t(gridDim.x) * blockDim.x) {
    out[i] = element<E>(loss_of(number(x[i]), number(t[i]), focal));
  }
}

__device__ inline double sum_of_block(double value) {
  __shared__ double sums[kThreads];
  sums[threadIdx.x] = value;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  return sums[0];
}

template <typename E>
__global__ void partial_sums_kernel(const E* __restrict__ x, const E* __restrict__ t, int64_t count, Focal focal,
                                    double* __restrict__ sums) {
  double sum = 0;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < count; i += int64_t(gridDim.x) * blockDim.x) {
    sum += loss_of(number(x[i]), number(t[i]), focal);
  }
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

template <typename E>
__global__ void total_kernel(const double* __restrict__ sums, int64_t count, E* __restrict__ out) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += sums[i];
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) *out = element<E>(static_cast<typename Accumulator<E>::type>(sum));
}

template <typename E>
__global__ void gradient_kernel(const E* __restrict__ x, const E* __restrict__ t, const E* __restrict__ grad,
                                int64_t step, int64_t count, Focal focal, E* __restrict__ out) {
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < count; i += int64_t(gridDim.x) * blockDim.x) {
    out[i] = element<E>(number(grad[step * i]) * slope_of(number(x[i]), number(t[i]), focal));
  }
}

Tensor sigmoid_focal_loss_cuda(const Tensor& inputs, const Tensor& targets, double alpha, double gamma, bool total) {
  const torch::stable::accelerator::DeviceGuard guard(inputs.get_device_index());
  const ScalarType dtype = inputs.scalar_type();
  const Tensor logits = contiguous_as(inputs, dtype), labels = contiguous_as(targets, dtype);
  const int64_t count = logits.numel();
  STD_TORCH_CHECK(labels.numel() == count, "inputs and targets must have one shape");
  if (total && count == 0) return new_zeros(logits, {}, dtype);
  Tensor out = total ? new_empty(logits, {}, dtype) : torch::stable::empty_like(logits);
  if (count == 0) return out;
  const Focal focal = focal_of(alpha, gamma);
  const cudaStream_t stream = current_stream(logits);
  for_element_type(dtype, [&](auto sample) {
    using E = decltype(sample);
    const E *x = static_cast<const E*>(logits.const_data_ptr()), *t = static_cast<const E*>(labels.const_data_ptr());
    E* result = static_cast<E*>(out.mutable_data_ptr());
    if (!total) {
      loss_kernel<E><<<blocks_for(count, kThreads), kThreads, 0, stream>>>(x, t, count, focal, result);
      return;
    }
    const int64_t blocks = std::min(kSumBlocks, blocks_for(count, kThreads));
    Tensor sums = new_empty(logits, {blocks}, ScalarType::Double);
    partial_sums_kernel<E><<<blocks, kThreads, 0, stream>>>(x, t, count, focal, sums.mutable_data_ptr<double>());
    total_kernel<E><<<1, kThreads, 0, stream>>>(sums.const_data_ptr<double>(), blocks, result);
  });
  check_launch("sigmoid_focal_loss");
  return out;
}

Tensor sigmoid_focal_loss_backward_cuda(const Tensor& grad, const Tensor& inputs, const Tensor& targets, double alpha,
                                        double gamma) {
  const torch::stable::accelerator::DeviceGuard guard(inputs.get_device_index());
  const ScalarType dtype = inputs.scalar_type();
  const Tensor logits = contiguous_as(inputs, dtype), labels = contiguous_as(targets, dtype);
  const int64_t count = logits.numel();
  Tensor out = torch::stable::empty_like(logits);
  if (count == 0) return out;
  const Tensor incoming = contiguous_as(shared_number(grad), dtype);
  const int64_t step = incoming.dim() == 0 ? 0 : 1;
  STD_TORCH_CHECK(labels.numel() == count && (step == 0 || incoming.numel() == count),
                  "inputs, targets and grad must have one shape");
  const Focal focal = focal_of(alpha, gamma);
  for_element_type(dtype, [&](auto sample) {
    using E = decltype(sample);
    gradient_kernel<E><<<blocks_for(count, kThreads), kThreads, 0, current_stream(out)>>>(
        static_cast<const E*>(logits.const_data_ptr()), static_cast<const E*>(labels.const_data_ptr()),
        static_cast<const E*>(incoming.const_data_ptr()), step, count, focal, static_cast<E*>(out.mutable_data_ptr()));
  });
  check_launch("sigmoid_focal_loss_backward");
  return out;
}

}  // namespace losses_gpu

STABLE_TORCH_LIBRARY_IMPL(detectory, CUDA, m) {
  m.impl("sigmoid_focal_loss", TORCH_BOX(&sigmoid_focal_loss_cuda));
  m.impl("sigmoid_focal_loss_backward", TORCH_BOX(&sigmoid_focal_loss_backward_cuda));
}

}  // namespace detectory
