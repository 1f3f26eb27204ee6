#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "pair_groups.h"
#include "parallel.h"
#include "tensors.h"

namespace detectory {

namespace {

const bool* flags_of(const Tensor& flags) { return static_cast<const bool*>(flags.const_data_ptr()); }

// IoU of two COCO boxes. The order of operations is that of pycocotools, for bit-identical results.
double box_iou(const double* d, const double* g, bool crowd) {
  const double width = std::min(d[2] + d[0], g[2] + g[0]) - std::max(d[0], g[0]);
  const double height = std::min(d[3] + d[1], g[3] + g[1]) - std::max(d[1], g[1]);
  if (!(width > 0) || !(height > 0)) return 0;
  const double shared = width * height, area = d[2] * d[3];
  return shared / (crowd ? area : area + g[2] * g[3] - shared);
}

Tensor grouped_box_iou_cpu(const Tensor& dt_boxes, const Tensor& gt_boxes, const Tensor& gt_crowd,
                           const Tensor& dt_groups, const Tensor& gt_groups) {
  const Tensor detections = contiguous_as(dt_boxes, ScalarType::Double);
  const Tensor truths = contiguous_as(gt_boxes, ScalarType::Double), crowds = contiguous_as(gt_crowd, ScalarType::Bool);
  STD_TORCH_CHECK(detections.dim() == 2 && detections.size(1) == 4 && truths.dim() == 2 && truths.size(1) == 4,
                  "boxes must be (N, 4)");
  STD_TORCH_CHECK(crowds.dim() == 1 && crowds.size(0) == truths.size(0), "gt_crowd must have one entry for each box");
  const PairGroups groups(dt_groups, detections.size(0), gt_groups, truths.size(0));
  Tensor out = new_empty(detections, {groups.pairs()}, ScalarType::Double);
  const double *dt = detections.const_data_ptr<double>(), *gt = truths.const_data_ptr<double>();
  const bool* crowd = flags_of(crowds);
  double* ious = out.mutable_data_ptr<double>();
  parallel_for(0, detections.size(0), 256, [&](int64_t begin, int64_t end) {
    for (int64_t d = begin; d < end; ++d) {
      const PairGroups::Row row = groups.row(d);
      double* values = ious + row.start;
      for (int64_t g = row.gt_begin; g < row.gt_end; ++g) *values++ = box_iou(dt + 4 * d, gt + 4 * g, crowd[g]);
    }
  });
  return out;
}

// Matches one group in one area range at a time; buffers are reused between groups.
class Matcher {
 public:
  // D x M overlaps and flags of a group, and its output rows: T rows with strides `dt_stride` and `gt_stride`.
  struct Group {
    const double* ious;
    int64_t D, M, dt_first, gt_first;
    const bool *dt_outside, *gt_ignore, *gt_crowd;
    int32_t *dt_match, *gt_match;
    bool* dt_ignore;
    int64_t dt_stride, gt_stride;
  };

  explicit Matcher(const Tensor& thresholds) {
    const double* values = thresholds.const_data_ptr<double>();
    for (int64_t t = 0; t < thresholds.size(0); ++t) thresholds_.push_back(std::min(values[t], 1 - 1e-10));
    lowest_ = thresholds_.empty() ? 0 : *std::min_element(thresholds_.begin(), thresholds_.end());
  }

  void match(const Group& group) {
    order_truths(group);
    for (int64_t d = 0; d < group.D; ++d) {
      find_candidates(group, group.ious + d * group.M);
      for (size_t t = 0; t < thresholds_.size(); ++t) assign(group, d, t);
    }
  }

 private:
  struct Candidate {
    double iou;
    int32_t truth;
  };

  // Stable partition: ignored ground truths come last.
  void order_truths(const Group& group) {
    order_.clear();
    for (int64_t g = 0; g < group.M; ++g) {
      if (!group.gt_ignore[g]) order_.push_back(static_cast<int32_t>(g));
    }
    for (int64_t g = 0; g < group.M; ++g) {
      if (group.gt_ignore[g]) order_.push_back(static_cast<int32_t>(g));
    }
  }

  // Ground truths with an overlap of at least the lowest threshold; NaN never qualifies.
  void find_candidates(const Group& group, const double* row) {
    candidates_.clear();
    if (group.M == 0) return;
    for (const int32_t g : order_) {
      if (row[g] >= lowest_) candidates_.push_back({row[g], g});
    }
  }

  // Greedy matching: the unmatched ground truth with the largest overlap (the last of equals). Ignored ground truths
  // only qualify if no other does. Crowds can be matched any number of times.
  void assign(const Group& group, int64_t d, int64_t t) {
    int32_t* taken = group.gt_match + t * group.gt_stride;
    double best = thresholds_[t];
    int32_t match = -1;
    for (const Candidate& candidate : candidates_) {
      const int32_t g = candidate.truth;
      if (taken[g] >= 0 && !group.gt_crowd[g]) continue;
      if (match >= 0 && !group.gt_ignore[match] && group.gt_ignore[g]) break;
      if (!(candidate.iou >= best)) continue;
      best = candidate.iou;
      match = g;
    }
    const int64_t place = t * group.dt_stride + d;
    group.dt_match[place] = match < 0 ? -1 : static_cast<int32_t>(group.gt_first + match);
    group.dt_ignore[place] = match < 0 ? group.dt_outside[d] : group.gt_ignore[match];
    if (match >= 0) taken[match] = static_cast<int32_t>(group.dt_first + d);
  }

  std::vector<double> thresholds_;
  double lowest_ = 0;
  std::vector<int32_t> order_;
  std::vector<Candidate> candidates_;
};

std::tuple<Tensor, Tensor, Tensor> coco_match_cpu(const Tensor& ious, const Tensor& iou_thresholds,
                                                  const Tensor& dt_groups, const Tensor& gt_groups,
                                                  const Tensor& dt_outside, const Tensor& gt_ignore,
                                                  const Tensor& gt_crowd) {
  const Tensor overlaps = contiguous_as(ious, ScalarType::Double);
  const Tensor thresholds = contiguous_as(iou_thresholds, ScalarType::Double);
  const Tensor outside = contiguous_as(dt_outside, ScalarType::Bool),
               ignore = contiguous_as(gt_ignore, ScalarType::Bool);
  const Tensor crowds = contiguous_as(gt_crowd, ScalarType::Bool);
  STD_TORCH_CHECK(thresholds.dim() == 1 && outside.dim() == 2 && ignore.dim() == 2 && crowds.dim() == 1 &&
                      outside.size(0) == ignore.size(0) && ignore.size(1) == crowds.size(0),
                  "expected iou_thresholds (T), dt_outside (A, D), gt_ignore (A, M) and gt_crowd (M)");
  const int64_t A = outside.size(0), T = thresholds.size(0), D = outside.size(1), M = ignore.size(1);
  const PairGroups groups(dt_groups, D, gt_groups, M);
  STD_TORCH_CHECK(overlaps.dim() == 1 && overlaps.size(0) == groups.pairs(), "ious must hold ", groups.pairs(),
                  " values");
  STD_TORCH_CHECK(D <= INT32_MAX && M <= INT32_MAX, "at most 2^31 - 1 detections and ground truths");
  Tensor dt_match = new_empty(overlaps, {A, T, D}, ScalarType::Int);
  Tensor dt_ignore = new_empty(overlaps, {A, T, D}, ScalarType::Bool);
  Tensor gt_match = new_empty(overlaps, {A, T, M}, ScalarType::Int);
  int32_t *dt_out = dt_match.mutable_data_ptr<int32_t>(), *gt_out = gt_match.mutable_data_ptr<int32_t>();
  bool* ignore_out = static_cast<bool*>(dt_ignore.mutable_data_ptr());
  std::fill(gt_out, gt_out + A * T * M, -1);
  parallel_for(0, groups.size(), 32, [&](int64_t begin, int64_t end) {
    Matcher matcher(thresholds);
    for (int64_t g = begin; g < end; ++g) {
      const int64_t d0 = groups.dt_cuts()[g], d1 = groups.dt_cuts()[g + 1];
      const int64_t m0 = groups.gt_cuts()[g], m1 = groups.gt_cuts()[g + 1];
      if (d0 == d1) continue;
      const double* block = overlaps.const_data_ptr<double>() + groups.row(d0).start;
      for (int64_t a = 0; a < A; ++a) {
        matcher.match({block, d1 - d0, m1 - m0, d0, m0, flags_of(outside) + a * D + d0, flags_of(ignore) + a * M + m0,
                       flags_of(crowds) + m0, dt_out + a * T * D + d0, gt_out + a * T * M + m0,
                       ignore_out + a * T * D + d0, D, M});
      }
    }
  });
  return {dt_match, dt_ignore, gt_match};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("grouped_box_iou", TORCH_BOX(&grouped_box_iou_cpu));
  m.impl("coco_match", TORCH_BOX(&coco_match_cpu));
}

}  // namespace detectory
