#include "cuda_launch.h"

namespace detectory {

inline namespace boxes_gpu {

enum class Overlap { iou, ioa, giou };

template <Overlap kind, typename T>
__global__ void overlap_kernel(const T* __restrict__ boxes1, const T* __restrict__ boxes2, int64_t N, int64_t M,
                               T* __restrict__ out) {
  const int64_t total = N * M;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    const T *a = boxes1 + 4 * (i / M), *b = boxes2 + 4 * (i % M);
    const T width = min(a[2], b[2]) - max(a[0], b[0]), height = min(a[3], b[3]) - max(a[1], b[1]);
    const T inter = width > 0 && height > 0 ? width * height : T(0);
    const T area_a = (a[2] - a[0]) * (a[3] - a[1]), area_b = (b[2] - b[0]) * (b[3] - b[1]);
    const T joint = kind == Overlap::ioa ? area_b + 0 * area_a : area_a + area_b - inter;
    T value = inter > 0 && joint > 0 ? inter / joint : T(0);
    if (kind == Overlap::giou) {
      const T hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]));
      value = hull > 0 && joint == joint ? value - (hull - joint) / hull : T(0);
    }
    out[i] = value;
  }
}

template <Overlap kind, typename T>
Tensor overlap_as(const Tensor& boxes1, const Tensor& boxes2, ScalarType dtype) {
  const Tensor first = contiguous_as(boxes1, dtype), second = contiguous_as(boxes2, dtype);
  const int64_t N = first.size(0), M = second.size(0);
  Tensor out = new_empty(first, {N, M}, dtype);
  if (N == 0 || M == 0) return out;
  overlap_kernel<kind, T><<<blocks_for(N * M, 256), 256, 0, current_stream(out)>>>(
      first.const_data_ptr<T>(), second.const_data_ptr<T>(), N, M, out.mutable_data_ptr<T>());
  check_launch("pairwise overlap");
  return out;
}

template <Overlap kind>
Tensor overlap_cuda(const Tensor& boxes1, const Tensor& boxes2) {
  const torch::stable::accelerator::DeviceGuard guard(boxes1.get_device_index());
  const ScalarType dtype = boxes1.scalar_type();
  if (dtype == ScalarType::Double) return overlap_as<kind, double>(boxes1, boxes2, dtype);
  const Tensor out = overlap_as<kind, float>(boxes1, boxes2, ScalarType::Float);
  return dtype == ScalarType::Float ? out : torch::stable::to(out, dtype);
}

}  // namespace boxes_gpu

STABLE_TORCH_LIBRARY_IMPL(detectory, CUDA, m) {
  m.impl("pairwise_iou", TORCH_BOX(&overlap_cuda<Overlap::iou>));
  m.impl("pairwise_ioa", TORCH_BOX(&overlap_cuda<Overlap::ioa>));
  m.impl("pairwise_giou", TORCH_BOX(&overlap_cuda<Overlap::giou>));
}

}  // namespace detectory
