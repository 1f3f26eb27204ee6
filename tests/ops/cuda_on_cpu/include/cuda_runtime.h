// The names of CUDA's runtime and language that the kernels use.
#pragma once

#include <algorithm>
#include <type_traits>

#include "cuda_on_cpu.h"

#include <torch/csrc/stable/accelerator.h>

// There are no streams: torch's function for the current stream is replaced by one without effect.
#define aoti_torch_get_current_cuda_stream(index, stream) ((void)(index), *(stream) = nullptr, 0)

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __align__(bytes) alignas(bytes)
#define __syncthreads() ::cuda_on_cpu::Block::current()->wait(__LINE__, true)
#define __shfl_xor_sync(mask, value, step) ::cuda_on_cpu::Block::current()->exchange(value, step, __LINE__)

using cudaStream_t = void*;
using cudaError_t = int;
constexpr int cudaSuccess = 0;
constexpr int cudaFuncAttributeMaxDynamicSharedMemorySize = 8;
constexpr int64_t kMaxSharedBytes = 227 * 1024;

inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "error"; }
template <typename Kernel>
cudaError_t cudaFuncSetAttribute(Kernel, int, int64_t bytes) {
  return bytes <= kMaxSharedBytes ? cudaSuccess : 1;
}

// As in CUDA, min and max of floating-point numbers return the number if the other argument is NaN.
template <typename A, typename B, typename C = std::common_type_t<A, B>>
constexpr C min(A a, B b) {
  if constexpr (std::is_floating_point_v<C>) return std::fmin(C(a), C(b));
  else return C(a) < C(b) ? C(a) : C(b);
}
template <typename A, typename B, typename C = std::common_type_t<A, B>>
constexpr C max(A a, B b) {
  if constexpr (std::is_floating_point_v<C>) return std::fmax(C(a), C(b));
  else return C(a) < C(b) ? C(b) : C(a);
}
using std::abs;
using std::ceil;
using std::exp;
using std::floor;
using std::isfinite;
using std::log1p;
using std::pow;

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }

// Only one fiber runs at a time, so an update is atomic.
template <typename T, typename V>
T atomicAdd(T* at, V value) {
  const T old = *at;
  *at = T(old + value);
  return old;
}
template <typename T>
T atomicOr(T* at, T value) {
  const T old = *at;
  *at = old | value;
  return old;
}
template <typename T>
T atomicMin(T* at, T value) {
  const T old = *at;
  *at = std::min(old, value);
  return old;
}
template <typename T>
T atomicMax(T* at, T value) {
  const T old = *at;
  *at = std::max(old, value);
  return old;
}
