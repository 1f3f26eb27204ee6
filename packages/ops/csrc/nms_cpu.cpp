#include "greedy_nms.h"
#include "nms_kernel.h"

namespace detectory {

namespace {

// Axis-aligned boxes prepared as (centre x, x1, y1, x2, y2, area).
template <typename Number>
struct Upright {
  using T = Number;
  static constexpr int64_t kColumns = 6;
  static constexpr int64_t kAlone = 16384;

  T threshold;
  bool (*overlaps_any)(const T*, BoxColumns<T>, int64_t, T);

  // IoU > t implies an overlap wider than t times the wider box. The distance of the centres is therefore below (1 - t)
  // times its width, and the wider box is at most 1 / t times as wide as the other. A margin covers rounding.
  T reach(const T* box) const {
    const T margin = (std::abs(box[1]) + std::abs(box[3])) * T(1e-5);
    return (box[3] - box[1]) * (1 - threshold) / threshold * T(1.001) + margin;
  }

  bool any(const T* box, const T* columns, int64_t stride, int64_t count) const {
    const BoxColumns<T> others{columns + stride, columns + 2 * stride, columns + 3 * stride, columns + 4 * stride,
                               columns + 5 * stride};
    return overlaps_any(box + 1, others, count, threshold);
  }
};

template <typename T>
Tensor nms_as(const Tensor& boxes, const Tensor& scores, const Tensor* idxs, const Upright<T>& kind, ScalarType dtype) {
  const Tensor rows = contiguous_as(boxes, dtype);
  const T* data = rows.const_data_ptr<T>();
  return greedy_nms(kind, boxes, scores, idxs, [&](int64_t i, T* out) {
    const T* box = data + 4 * i;
    out[0] = (box[0] + box[2]) / 2;
    std::copy(box, box + 4, out + 1);
    out[5] = (box[2] - box[0]) * (box[3] - box[1]);
  });
}

Tensor nms_of(const Tensor& boxes, const Tensor& scores, const Tensor* idxs, double threshold) {
  if (boxes.scalar_type() == ScalarType::Double) {
    return nms_as<double>(boxes, scores, idxs, {threshold, overlaps_any_f64()}, ScalarType::Double);
  }
  return nms_as<float>(boxes, scores, idxs, {float(threshold), overlaps_any_f32()}, ScalarType::Float);
}

Tensor nms_cpu(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  return nms_of(boxes, scores, nullptr, iou_threshold);
}

Tensor batched_nms_cpu(const Tensor& boxes, const Tensor& scores, const Tensor& idxs, double iou_threshold) {
  return nms_of(boxes, scores, &idxs, iou_threshold);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("nms", TORCH_BOX(&nms_cpu));
  m.impl("batched_nms", TORCH_BOX(&batched_nms_cpu));
}

}  // namespace detectory
