#include <algorithm>
#include <cmath>
#include <vector>

#include "greedy_nms.h"
#include "rotated_boxes.h"
#include "rotated_kernel.h"

namespace detectory {

namespace {

struct Rotated {
  using T = double;
  static constexpr int64_t kColumns = kRotatedColumns;
  static constexpr int64_t kAlone = 4096;

  double threshold, largest_radius;
  bool (*overlaps_any)(const RotatedBox&, const double*, int64_t, int64_t, double);

  double reach(const double* box) const { return box[7] + largest_radius; }

  bool any(const double* box, const double* columns, int64_t stride, int64_t count) const {
    const RotatedBox own{box[0], box[1], box[2], box[3], box[4], box[5], box[6], box[7]};
    return overlaps_any(own, columns, stride, count, threshold);
  }
};

void write(const RotatedBox& box, double* out, int64_t stride) {
  const double numbers[kRotatedColumns] = {box.cx,     box.cy,     box.cosine, box.sine,
                                           box.half_w, box.half_h, box.area,   box.radius};
  for (int64_t k = 0; k < kRotatedColumns; ++k) out[k * stride] = numbers[k];
}

Tensor pairwise_iou_rotated_cpu(const Tensor& boxes1, const Tensor& boxes2) {
  const Tensor first = contiguous_as(boxes1, ScalarType::Double), second = contiguous_as(boxes2, ScalarType::Double);
  const int64_t N = first.size(0), M = second.size(0);
  const bool as_double = boxes1.scalar_type() == ScalarType::Double;
  const Tensor out = new_empty(first, {N, M}, as_double ? ScalarType::Double : ScalarType::Float);
  if (N == 0 || M == 0) return as_double ? out : torch::stable::to(out, boxes1.scalar_type());
  const double *rows = first.const_data_ptr<double>(), *others = second.const_data_ptr<double>();
  std::vector<double> columns(kRotatedColumns * M);
  for (int64_t j = 0; j < M; ++j) write(prepared(others + 5 * j), &columns[j], M);
  const auto kernel = rotated_ious();
  parallel_for(0, N, std::max<int64_t>(1, 2048 / M), [&](int64_t begin, int64_t end) {
    std::vector<double> line(as_double ? 0 : M);
    for (int64_t i = begin; i < end; ++i) {
      double* to = as_double ? out.mutable_data_ptr<double>() + i * M : line.data();
      kernel(prepared(rows + 5 * i), columns.data(), M, M, to);
      if (!as_double) std::copy(line.begin(), line.end(), out.mutable_data_ptr<float>() + i * M);
    }
  });
  const ScalarType dtype = boxes1.scalar_type();
  return as_double || dtype == ScalarType::Float ? out : torch::stable::to(out, dtype);
}

Tensor nms_of(const Tensor& boxes, const Tensor& scores, const Tensor* idxs, double threshold) {
  const Tensor rows = contiguous_as(boxes, ScalarType::Double);
  const double* data = rows.const_data_ptr<double>();
  Rotated kind{threshold, 0, rotated_overlaps_any()};
  for (int64_t i = 0; i < rows.size(0); ++i) {
    const double radius = prepared(data + 5 * i).radius;
    if (std::isfinite(radius)) kind.largest_radius = std::max(kind.largest_radius, radius);
  }
  return greedy_nms(kind, boxes, scores, idxs, [&](int64_t i, double* out) { write(prepared(data + 5 * i), out, 1); });
}

Tensor nms_rotated_cpu(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  return nms_of(boxes, scores, nullptr, iou_threshold);
}

Tensor batched_nms_rotated_cpu(const Tensor& boxes, const Tensor& scores, const Tensor& idxs, double iou_threshold) {
  return nms_of(boxes, scores, &idxs, iou_threshold);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("pairwise_iou_rotated", TORCH_BOX(&pairwise_iou_rotated_cpu));
  m.impl("nms_rotated", TORCH_BOX(&nms_rotated_cpu));
  m.impl("batched_nms_rotated", TORCH_BOX(&batched_nms_rotated_cpu));
}

}  // namespace detectory
