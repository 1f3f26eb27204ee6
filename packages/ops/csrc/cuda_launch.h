// What every CUDA file needs to launch: the device of its tensors, torch's current stream, errors that are not lost.
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
  // 2^31 - 1 is the largest grid along x; kernels stride over what is beyond.
  const int64_t blocks = (items + threads - 1) / threads;
  return blocks < 2147483647 ? blocks : 2147483647;
}

}  // namespace detectory
