// Groups of a whole dataset: detections and ground truths are paired within a group (a category of an image).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tensors.h"

namespace detectory {

// Group offsets are used as indices, so they are checked here to guard memory.
inline void check_groups(const Tensor& groups, int64_t count) {
  STD_TORCH_CHECK(groups.dim() == 1 && groups.size(0) >= 1, "groups must be one row of at least one number");
  const int64_t *cuts = groups.const_data_ptr<int64_t>(), *last = cuts + groups.size(0) - 1;
  STD_TORCH_CHECK(*cuts == 0 && *last == count && std::is_sorted(cuts, last + 1), "groups must rise from 0 to ", count);
}

// Pairs detections dt_groups[g]:dt_groups[g + 1] with ground truths gt_groups[g]:gt_groups[g + 1]. Pairs are numbered
// by group, then by detection, then by ground truth.
class PairGroups {
 public:
  // The first pair of a detection, and the ground truths of its group.
  struct Row {
    int64_t start, gt_begin, gt_end;
  };

  PairGroups(const Tensor& dt_groups, int64_t detections, const Tensor& gt_groups, int64_t truths)
      : dt_(contiguous_as(dt_groups, ScalarType::Long)), gt_(contiguous_as(gt_groups, ScalarType::Long)) {
    check_groups(dt_, detections);
    check_groups(gt_, truths);
    STD_TORCH_CHECK(dt_.size(0) == gt_.size(0), "there must be as many groups of detections as of ground truths");
    rows_.reserve(detections);
    for (int64_t g = 0; g < size(); ++g) {
      for (int64_t d = dt_cuts()[g]; d < dt_cuts()[g + 1]; ++d) {
        rows_.push_back({pairs_, gt_cuts()[g], gt_cuts()[g + 1]});
        pairs_ += gt_cuts()[g + 1] - gt_cuts()[g];
      }
    }
  }

  int64_t size() const { return dt_.size(0) - 1; }
  int64_t pairs() const { return pairs_; }
  const int64_t* dt_cuts() const { return dt_.const_data_ptr<int64_t>(); }
  const int64_t* gt_cuts() const { return gt_.const_data_ptr<int64_t>(); }
  Row row(int64_t detection) const { return rows_[detection]; }

 private:
  Tensor dt_, gt_;
  std::vector<Row> rows_;
  int64_t pairs_ = 0;
};

}  // namespace detectory
