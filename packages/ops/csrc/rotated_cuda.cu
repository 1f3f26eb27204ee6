#include "cuda_nms.h"
#include "rotated_boxes.h"

namespace detectory {

inline namespace rotated_gpu {

constexpr int kThreads = 128;

__global__ void prepare_kernel(const double* __restrict__ boxes, int64_t N, RotatedBox* out) {
  const int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x;
  if (i < N) out[i] = prepared(boxes + 5 * i);
}

__device__ inline bool circles_meet(const RotatedBox& a, const RotatedBox& b) {
  const double dx = b.cx - a.cx, dy = b.cy - a.cy, sum = a.radius + b.radius;
  return dx * dx + dy * dy <= sum * sum;
}

template <typename Out>
__global__ void iou_kernel(const RotatedBox* __restrict__ first, const RotatedBox* __restrict__ second, int64_t N,
                           int64_t M, Out* __restrict__ out) {
  const int64_t total = N * M;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    const RotatedBox &a = first[i / M], &b = second[i % M];
    out[i] = circles_meet(a, b) ? Out(rotated_iou(a, b)) : Out(0);
  }
}

// Prepared boxes (N, 8) of float64.
Tensor prepared_boxes(const Tensor& boxes) {
  const Tensor rows = contiguous_as(boxes, ScalarType::Double);
  const int64_t N = rows.size(0);
  const Tensor out = new_empty(rows, {N, kRotatedColumns}, ScalarType::Double);
  if (N == 0) return out;
  prepare_kernel<<<blocks_for(N, kThreads), kThreads, 0, current_stream(rows)>>>(
      rows.const_data_ptr<double>(), N, reinterpret_cast<RotatedBox*>(out.mutable_data_ptr<double>()));
  check_launch("rotated boxes");
  return out;
}

const RotatedBox* boxes_of(const Tensor& prepared) {
  return reinterpret_cast<const RotatedBox*>(prepared.const_data_ptr<double>());
}

Tensor pairwise_iou_rotated_cuda(const Tensor& boxes1, const Tensor& boxes2) {
  const torch::stable::accelerator::DeviceGuard guard(boxes1.get_device_index());
  const Tensor first = prepared_boxes(boxes1), second = prepared_boxes(boxes2);
  const int64_t N = first.size(0), M = second.size(0);
  const ScalarType dtype = boxes1.scalar_type();
  const bool as_double = dtype == ScalarType::Double;
  const Tensor out = new_empty(first, {N, M}, as_double ? ScalarType::Double : ScalarType::Float);
  if (N > 0 && M > 0) {
    const cudaStream_t stream = current_stream(out);
    const unsigned blocks = unsigned(blocks_for(N * M, kThreads));
    if (as_double) {
      iou_kernel<<<blocks, kThreads, 0, stream>>>(boxes_of(first), boxes_of(second), N, M,
                                                  out.mutable_data_ptr<double>());
    } else {
      iou_kernel<<<blocks, kThreads, 0, stream>>>(boxes_of(first), boxes_of(second), N, M,
                                                  out.mutable_data_ptr<float>());
    }
    check_launch("pairwise_iou_rotated");
  }
  return as_double || dtype == ScalarType::Float ? out : torch::stable::to(out, dtype);
}

struct RotatedOverlap {
  static constexpr int columns = kRotatedColumns;
  double threshold;

  __device__ bool operator()(const double* a, const double* b) const {
    const RotatedBox first{a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]};
    const RotatedBox second{b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]};
    return circles_meet(first, second) && rotated_iou(first, second) > threshold;
  }
};

Tensor nms_of(const Tensor& boxes, const Tensor& scores, const Tensor* idxs, double threshold) {
  const torch::stable::accelerator::DeviceGuard guard(boxes.get_device_index());
  return greedy_nms<double>(prepared_boxes(boxes), scores, idxs, ScalarType::Double, RotatedOverlap{threshold});
}

Tensor nms_rotated_cuda(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  return nms_of(boxes, scores, nullptr, iou_threshold);
}

Tensor batched_nms_rotated_cuda(const Tensor& boxes, const Tensor& scores, const Tensor& idxs, double iou_threshold) {
  return nms_of(boxes, scores, &idxs, iou_threshold);
}

}  // namespace rotated_gpu

STABLE_TORCH_LIBRARY_IMPL(detectory, CUDA, m) {
  m.impl("pairwise_iou_rotated", TORCH_BOX(&pairwise_iou_rotated_cuda));
  m.impl("nms_rotated", TORCH_BOX(&nms_rotated_cuda));
  m.impl("batched_nms_rotated", TORCH_BOX(&batched_nms_rotated_cuda));
}

}  // namespace detectory
