// Kernel launches: device guard, torch's current stream, error checks.
#pragma once

#include <cuda_runtime.h>
#include <torch/csrc/stable/accelerator.h>

#include "tensors.h"

namespace detectory {

inline cudaStream_t current_stream(const Tensor& tensor) {
  void* stream = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream));
  return static_cast<cudaStream_t>(stream);
}

inline void check_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  STD_TORCH_CHECK(error == cudaSuccess, kernel, ": ", cudaGetErrorString(error));
}

inline int64_t blocks_for(int64_t items, int64_t threads) {
  // The grid is limited to 2^31 - 1 blocks along x; kernels use grid-stride loops beyond that.
  const int64_t blocks = (items + threads - 1) / threads;
  return blocks < 2147483647 ? blocks : 2147483647;
}

}  // namespace detectory
