// Element types on the GPU: half types are loaded and stored as such and computed in float.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "tensors.h"

namespace detectory {

__device__ inline float number(float value) { return value; }
__device__ inline double number(double value) { return value; }
__device__ inline float number(__half value) { return __half2float(value); }
__device__ inline float number(__nv_bfloat16 value) { return __bfloat162float(value); }

template <typename E, typename T>
__device__ inline E element(T value);
template <>
__device__ inline float element<float>(float value) {
  return value;
}
template <>
__device__ inline double element<double>(double value) {
  return value;
}
template <>
__device__ inline __half element<__half>(float value) {
  return __float2half_rn(value);
}
template <>
__device__ inline __nv_bfloat16 element<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

// The accumulation type of E.
template <typename E>
struct Accumulator {
  using type = float;
};
template <>
struct Accumulator<double> {
  using type = double;
};

// Calls body(E()) with the element type that corresponds to a floating dtype.
template <typename Body>
void for_element_type(ScalarType dtype, const Body& body) {
  switch (dtype) {
    case ScalarType::Double:
      return body(double());
    case ScalarType::Half:
      return body(__half());
    case ScalarType::BFloat16:
      return body(__nv_bfloat16());
    default:
      return body(float());
  }
}

inline ScalarType computed_in(ScalarType dtype) { return dtype == ScalarType::Double ? dtype : ScalarType::Float; }

}  // namespace detectory
