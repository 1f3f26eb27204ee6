#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "nms_kernel.h"
#include "parallel.h"
#include "score_order.h"
#include "tensors.h"

namespace detectory {

namespace {

template <typename T>
using Overlaps = bool (*)(const T*, BoxColumns<T>, int64_t, T);

// The kept boxes of one class, in strips by the x of their centres.
//
// IoU > t needs an overlap wider than t times the wider box, so centres are nearer than (1 - t) times its width, and
// the wider box is at most 1 / t times as wide as the other: a box of width w looks (1 - t) * w / t to both sides.
template <typename T>
class Strips {
 public:
  Strips(const T* boxes, int64_t N, T threshold) : reach_((1 - threshold) / threshold) {
    T low = std::numeric_limits<T>::infinity(), high = -low;
    for (int64_t i = 0; i < N; ++i) {
      const T x = centre(boxes + 5 * i);
      if (!std::isfinite(x)) continue;
      low = std::min(low, x), high = std::max(high, x);
    }
    low_ = low;
    const int64_t wanted = std::clamp<int64_t>(N / 64, 1, 128);
    scale_ = high > low ? wanted / (high - low) : T(0);
    if (!std::isfinite(scale_) || !std::isfinite(low_)) scale_ = low_ = T(0);
    begins_.assign(wanted + 1, 0);
    counts_.assign(wanted, 0);
    for (int64_t i = 0; i < N; ++i) ++begins_[strip(centre(boxes + 5 * i)) + 1];
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    columns_.resize(5 * N);
    stride_ = N;
  }

  void keep(const T* box) {
    const int64_t at = strip(centre(box));
    const int64_t slot = begins_[at] + counts_[at]++;
    for (int64_t k = 0; k < 5; ++k) columns_[k * stride_ + slot] = box[k];
  }

  bool suppress(const T* box, T threshold, Overlaps<T> overlaps_any) const {
    // A little more than the bound, for the rounding of centres and widths.
    const T reach = (box[2] - box[0]) * reach_ * T(1.001) + (std::abs(box[0]) + std::abs(box[2])) * T(1e-5);
    const int64_t first = strip(centre(box) - reach), last = strip(centre(box) + reach);
    for (int64_t s = first; s <= last; ++s) {
      if (counts_[s] && overlaps_any(box, at(begins_[s]), counts_[s], threshold)) return true;
    }
    return false;
  }

 private:
  static T centre(const T* box) { return (box[0] + box[2]) / 2; }

  int64_t strip(T x) const {
    const T position = (x - low_) * scale_;
    const int64_t last = int64_t(counts_.size()) - 1;
    // Written so that NaN, which overlaps nothing, lands in strip 0.
    return position >= T(last) ? last : position > 0 ? int64_t(position) : 0;
  }

  BoxColumns<T> at(int64_t slot) const {
    const T* data = columns_.data() + slot;
    return {data, data + stride_, data + 2 * stride_, data + 3 * stride_, data + 4 * stride_};
  }

  T low_, scale_, reach_;
  int64_t stride_;
  std::vector<int64_t> begins_, counts_;
  std::vector<T> columns_;
};

// Greedy suppression of N boxes (N, 5), best first. A block of boxes is first compared with what was kept before it, by
// all threads when `threads` allows, then among itself.
template <typename T>
void suppress(const T* boxes, int64_t N, T threshold, bool threads, Overlaps<T> overlaps_any, uint8_t* keep) {
  constexpr int64_t block = 512;
  Strips<T> kept(boxes, N, threshold);
  std::vector<T> own(5 * std::min(block, N));
  for (int64_t from = 0; from < N; from += block) {
    const int64_t to = std::min(N, from + block);
    const auto compare = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) keep[i] = !kept.suppress(boxes + 5 * i, threshold, overlaps_any);
    };
    if (threads && from >= 2 * block) {
      parallel_for(from, to, 64, compare);
    } else {
      compare(from, to);
    }
    const int64_t stride = own.size() / 5;
    const T* data = own.data();
    const BoxColumns<T> columns{data, data + stride, data + 2 * stride, data + 3 * stride, data + 4 * stride};
    int64_t count = 0;
    for (int64_t i = from; i < to; ++i) {
      if (!keep[i]) continue;
      const T* box = boxes + 5 * i;
      keep[i] = !overlaps_any(box, columns, count, threshold);
      if (!keep[i]) continue;
      for (int64_t k = 0; k < 5; ++k) own[k * stride + count] = box[k];
      ++count;
      kept.keep(box);
    }
  }
}

template <typename T>
Tensor nms_as(const Tensor& boxes, const Tensor& scores, const Tensor* idxs, double threshold, ScalarType dtype,
              Overlaps<T> overlaps_any) {
  const Tensor box_rows = contiguous_as(boxes, dtype), score_row = contiguous_as(scores, dtype);
  const int64_t N = box_rows.size(0);
  const T* rows = box_rows.const_data_ptr<T>();
  const std::vector<int32_t> order = order_by_score(score_row.const_data_ptr<T>(), N);
  ClassOrder classes;
  if (idxs) {
    const Tensor class_row = contiguous_as(*idxs, ScalarType::Long);
    classes = order_by_class(class_row.const_data_ptr<int64_t>(), order);
  } else {
    classes.ranks.resize(N);
    std::iota(classes.ranks.begin(), classes.ranks.end(), 0);
    classes.begins = {0, N};
  }

  std::vector<T> sorted(5 * N);
  for (int64_t i = 0; i < N; ++i) {
    const T* box = rows + 4 * int64_t(order[classes.ranks[i]]);
    T* out = &sorted[5 * i];
    std::copy(box, box + 4, out);
    out[4] = (box[2] - box[0]) * (box[3] - box[1]);
  }
  std::vector<uint8_t> keep(N);
  const int64_t groups = int64_t(classes.begins.size()) - 1;
  const auto run = [&](int64_t first, int64_t last, bool threads) {
    for (int64_t g = first; g < last; ++g) {
      const int64_t begin = classes.begins[g], count = classes.begins[g + 1] - begin;
      if (count) suppress(&sorted[5 * begin], count, T(threshold), threads, overlaps_any, &keep[begin]);
    }
  };
  if (groups <= 2 || N < 1024) {
    run(0, groups, groups <= 2);
  } else {
    parallel_for(0, groups, std::max<int64_t>(1, groups * 512 / N), [&](int64_t a, int64_t b) { run(a, b, false); });
  }

  std::vector<uint8_t> kept_rank(N);
  for (int64_t i = 0; i < N; ++i) kept_rank[classes.ranks[i]] = keep[i];
  const Tensor out = new_empty(boxes, {std::accumulate(keep.begin(), keep.end(), int64_t(0))}, ScalarType::Long);
  int64_t* result = out.mutable_data_ptr<int64_t>();
  for (int64_t rank = 0; rank < N; ++rank) {
    if (kept_rank[rank]) *result++ = order[rank];
  }
  return out;
}

Tensor nms_of(const Tensor& boxes, const Tensor& scores, const Tensor* idxs, double threshold) {
  STD_TORCH_CHECK(boxes.size(0) == scores.size(0) && boxes.size(0) <= std::numeric_limits<int32_t>::max());
  if (boxes.scalar_type() == ScalarType::Double) {
    return nms_as<double>(boxes, scores, idxs, threshold, ScalarType::Double, overlaps_any_f64());
  }
  return nms_as<float>(boxes, scores, idxs, threshold, ScalarType::Float, overlaps_any_f32());
}

Tensor nms_cpu(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  return nms_of(boxes, scores, nullptr, iou_threshold);
}

Tensor batched_nms_cpu(const Tensor& boxes, const Tensor& scores, const Tensor& idxs, double iou_threshold) {
  STD_TORCH_CHECK(boxes.size(0) == idxs.size(0));
  return nms_of(boxes, scores, &idxs, iou_threshold);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("nms", TORCH_BOX(&nms_cpu));
  m.impl("batched_nms", TORCH_BOX(&batched_nms_cpu));
}

}  // namespace detectory
