// Greedy NMS on the CPU for any box type. Boxes are visited by descending score within each class; kept boxes are
// binned into vertical strips by the x of their centre, so that a box is only compared with nearby ones, in vector
// lanes.
//
// `Kind` defines the box type:
// - T: the number type; kColumns: numbers per prepared box, starting with the x of its centre;
// - kAlone: maximum number of boxes that are processed by a single thread;
// - reach(box): upper bound of the distance in x between its centre and the centre of any box that it suppresses;
// - any(box, columns, stride, count): whether a prepared box overlaps any of `count` boxes by more than the threshold;
//   their numbers are `stride` apart.
//
// Invariant: the result equals the sequential algorithm, because a block of boxes is compared with all previously kept
// boxes before its own boxes are compared among themselves, in order.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "parallel.h"
#include "score_order.h"
#include "tensors.h"

namespace detectory {

// The kept boxes of one class, binned into strips by the x of their centres.
template <typename Kind>
class Strips {
 public:
  using T = typename Kind::T;

  Strips(const Kind& kind, const T* boxes, int64_t N) : kind_(kind), stride_(N) {
    T low = std::numeric_limits<T>::infinity(), high = -low;
    for (int64_t i = 0; i < N; ++i) {
      const T x = boxes[i * Kind::kColumns];
      if (!std::isfinite(x)) continue;
      low = std::min(low, x), high = std::max(high, x);
    }
    const int64_t strips = std::clamp<int64_t>(N / 64, 1, 128);
    if (high > low && std::isfinite(T(strips) / (high - low))) low_ = low, scale_ = T(strips) / (high - low);
    begins_.assign(strips + 1, 0);
    counts_.assign(strips, 0);
    for (int64_t i = 0; i < N; ++i) ++begins_[strip(boxes[i * Kind::kColumns]) + 1];
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    columns_.resize(Kind::kColumns * N);
  }

  void keep(const T* box) {
    const int64_t at = strip(box[0]), slot = begins_[at] + counts_[at]++;
    for (int64_t k = 0; k < Kind::kColumns; ++k) columns_[k * stride_ + slot] = box[k];
  }

  bool suppress(const T* box) const {
    const T reach = kind_.reach(box);
    const int64_t first = strip(box[0] - reach), last = strip(box[0] + reach);
    for (int64_t s = first; s <= last; ++s) {
      if (counts_[s] && kind_.any(box, columns_.data() + begins_[s], stride_, counts_[s])) return true;
    }
    return false;
  }

 private:
  int64_t strip(T x) const {
    const T position = (x - low_) * scale_;
    const int64_t last = int64_t(counts_.size()) - 1;
    // The comparisons are arranged such that NaN, which does not overlap other boxes, is binned into strip 0.
    return position >= T(last) ? last : position > 0 ? int64_t(position) : 0;
  }

  const Kind& kind_;
  T low_ = 0, scale_ = 0;
  int64_t stride_;
  std::vector<int64_t> begins_, counts_;
  std::vector<T> columns_;
};

// N prepared boxes by descending score. Each block of boxes is compared with all previously kept boxes, in parallel if
// `threads` is set, and then among itself. Block sizes increase to reduce the number of synchronisations, each of which
// costs milliseconds on a busy machine.
template <typename Kind>
void suppress_in_order(const Kind& kind, const typename Kind::T* boxes, int64_t N, bool threads, uint8_t* keep) {
  constexpr int64_t first = 512, last = 2048, columns = Kind::kColumns;
  Strips<Kind> kept(kind, boxes, N);
  const int64_t stride = std::min(last, N);
  std::vector<typename Kind::T> own(columns * stride);
  for (int64_t from = 0, to; from < N; from = to) {
    const int64_t block = std::clamp(from / 2, first, last);
    to = std::min(N, from + block);
    const auto compare = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) keep[i] = !kept.suppress(boxes + columns * i);
    };
    if (threads && from >= first) {
      parallel_for(from, to, 64, compare);
    } else {
      compare(from, to);
    }
    int64_t count = 0;
    for (int64_t i = from; i < to; ++i) {
      if (!keep[i]) continue;
      const auto* box = boxes + columns * i;
      keep[i] = !kind.any(box, own.data(), stride, count);
      if (!keep[i]) continue;
      for (int64_t k = 0; k < columns; ++k) own[k * stride + count] = box[k];
      ++count;
      kept.keep(box);
    }
  }
}

// Returns the indices of the kept boxes by descending score. `prepare(i, out)` writes the numbers of box i.
template <typename Kind, typename Prepare>
Tensor greedy_nms(const Kind& kind, const Tensor& boxes, const Tensor& scores, const Tensor* idxs,
                  const Prepare& prepare) {
  using T = typename Kind::T;
  const int64_t N = boxes.size(0);
  STD_TORCH_CHECK(N == scores.size(0) && (!idxs || N == idxs->size(0)) && N <= std::numeric_limits<int32_t>::max());
  std::vector<int32_t> order;
  if (scores.scalar_type() == ScalarType::Double) {
    order = order_by_score(contiguous_as(scores, ScalarType::Double).template const_data_ptr<double>(), N);
  } else {
    const Tensor row = contiguous_as(scores, ScalarType::Float);
    order = order_by_score(row.const_data_ptr<float>(), N);
  }
  ClassOrder classes;
  if (idxs) {
    const Tensor class_row = contiguous_as(*idxs, ScalarType::Long);
    classes = order_by_class(class_row.const_data_ptr<int64_t>(), order);
  } else {
    classes.ranks.resize(N);
    std::iota(classes.ranks.begin(), classes.ranks.end(), 0);
    classes.begins = {0, N};
  }

  std::vector<T> sorted(Kind::kColumns * N);
  for (int64_t i = 0; i < N; ++i) prepare(int64_t(order[classes.ranks[i]]), &sorted[Kind::kColumns * i]);
  std::vector<uint8_t> keep(N), kept_rank(N);
  const int64_t groups = int64_t(classes.begins.size()) - 1;
  const bool threads = N > Kind::kAlone;
  const auto run = [&](int64_t first, int64_t last, bool within) {
    for (int64_t g = first; g < last; ++g) {
      const int64_t begin = classes.begins[g], count = classes.begins[g + 1] - begin;
      if (count) suppress_in_order(kind, &sorted[Kind::kColumns * begin], count, within, &keep[begin]);
    }
  };
  if (groups <= 2 || !threads) {
    run(0, groups, threads);
  } else {
    parallel_for(0, groups, std::max<int64_t>(1, groups * 512 / N), [&](int64_t a, int64_t b) { run(a, b, false); });
  }

  for (int64_t i = 0; i < N; ++i) kept_rank[classes.ranks[i]] = keep[i];
  const Tensor out = new_empty(boxes, {std::accumulate(keep.begin(), keep.end(), int64_t(0))}, ScalarType::Long);
  int64_t* result = out.mutable_data_ptr<int64_t>();
  for (int64_t rank = 0; rank < N; ++rank) {
    if (kept_rank[rank]) *result++ = order[rank];
  }
  return out;
}

}  // namespace detectory
