#include <algorithm>
#include <vector>

#include "boxes_kernel.h"
#include "parallel.h"
#include "tensors.h"

namespace detectory {

namespace {

template <typename T>
std::vector<T> columns_of(const T* boxes, int64_t M) {
  std::vector<T> columns(5 * M);
  for (int64_t j = 0; j < M; ++j) {
    const T* box = boxes + 4 * j;
    for (int64_t k = 0; k < 4; ++k) columns[k * M + j] = box[k];
    columns[4 * M + j] = (box[2] - box[0]) * (box[3] - box[1]);
  }
  return columns;
}

template <Overlap kind, typename T, typename Kernel>
Tensor overlap_as(const Tensor& boxes1, const Tensor& boxes2, ScalarType dtype, Kernel kernel) {
  const Tensor first = contiguous_as(boxes1, dtype), second = contiguous_as(boxes2, dtype);
  const int64_t N = first.size(0), M = second.size(0);
  Tensor out = new_empty(first, {N, M}, dtype);
  if (N == 0 || M == 0) return out;
  const std::vector<T> columns = columns_of(second.const_data_ptr<T>(), M);
  const T* data = columns.data();
  const BoxColumns<T> view{data, data + M, data + 2 * M, data + 3 * M, data + 4 * M};
  const T* rows = first.const_data_ptr<T>();
  T* result = out.mutable_data_ptr<T>();
  parallel_for(0, N, std::max<int64_t>(1, 16384 / M), [&](int64_t begin, int64_t end) {
    kernel(kind, rows + 4 * begin, end - begin, view, M, result + begin * M);
  });
  return out;
}

template <Overlap kind>
Tensor overlap_cpu(const Tensor& boxes1, const Tensor& boxes2) {
  const ScalarType dtype = boxes1.scalar_type();
  if (dtype == ScalarType::Double) return overlap_as<kind, double>(boxes1, boxes2, dtype, overlap_f64());
  const Tensor out = overlap_as<kind, float>(boxes1, boxes2, ScalarType::Float, overlap_f32());
  return dtype == ScalarType::Float ? out : torch::stable::to(out, dtype);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("pairwise_iou", TORCH_BOX(&overlap_cpu<Overlap::iou>));
  m.impl("pairwise_ioa", TORCH_BOX(&overlap_cpu<Overlap::ioa>));
  m.impl("pairwise_giou", TORCH_BOX(&overlap_cpu<Overlap::giou>));
}

}  // namespace detectory
