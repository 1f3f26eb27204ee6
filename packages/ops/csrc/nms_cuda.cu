#include "cuda_nms.h"

namespace detectory {

inline namespace nms_gpu {

template <typename T>
struct UprightOverlap {
  static constexpr int columns = 4;
  T threshold;

  __device__ bool operator()(const T* a, const T* b) const {
    const T width = min(a[2], b[2]) - max(a[0], b[0]), height = min(a[3], b[3]) - max(a[1], b[1]);
    const T inter = width > 0 && height > 0 ? width * height : T(0);
    const T joint = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter;
    return inter > 0 && inter / joint > threshold;
  }
};

Tensor nms_of(const Tensor& boxes, const Tensor& scores, const Tensor* idxs, double threshold) {
  const torch::stable::accelerator::DeviceGuard guard(boxes.get_device_index());
  if (boxes.scalar_type() == ScalarType::Double) {
    return greedy_nms<double>(boxes, scores, idxs, ScalarType::Double, UprightOverlap<double>{threshold});
  }
  return greedy_nms<float>(boxes, scores, idxs, ScalarType::Float, UprightOverlap<float>{float(threshold)});
}

Tensor nms_cuda(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  return nms_of(boxes, scores, nullptr, iou_threshold);
}

Tensor batched_nms_cuda(const Tensor& boxes, const Tensor& scores, const Tensor& idxs, double iou_threshold) {
  return nms_of(boxes, scores, &idxs, iou_threshold);
}

}  // namespace nms_gpu

STABLE_TORCH_LIBRARY_IMPL(detectory, CUDA, m) {
  m.impl("nms", TORCH_BOX(&nms_cuda));
  m.impl("batched_nms", TORCH_BOX(&batched_nms_cuda));
}

}  // namespace detectory
