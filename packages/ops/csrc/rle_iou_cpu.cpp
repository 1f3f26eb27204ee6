#include <algorithm>
#include <vector>

#include "pair_groups.h"
#include "parallel.h"
#include "rle_runs.h"
#include "tensors.h"

namespace detectory {

namespace {

// The foreground runs of N masks as intervals of pixel positions, with precomputed areas and boxes.
class Intervals {
 public:
  Intervals(const Tensor& counts, const Tensor& offsets, const Tensor& sizes)
      : masks_(ragged_runs(counts, offsets)), extents_(contiguous_as(sizes, ScalarType::Long)) {
    const int64_t N = masks_.size();
    STD_TORCH_CHECK(extents_.dim() == 2 && extents_.size(0) == N && extents_.size(1) == 2, "sizes must be (N, 2)");
    first_.assign(N + 1, 0);
    for (int64_t n = 0; n < N; ++n) first_[n + 1] = first_[n] + masks_[n].size / 2;
    begins_.resize(first_[N]);
    ends_.resize(first_[N]);
    area_.assign(N, 0);
    rows_.resize(N);
    columns_.resize(N);
    parallel_for(0, N, 64, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) measure(n);
    });
  }

  int64_t size() const { return masks_.size(); }
  int64_t area(int64_t n) const { return area_[n]; }

  // The number of common pixels of mask a and mask b of another set; -1 if the image sizes differ although the boxes of
  // the masks overlap, as in pycocotools.
  int64_t shared(int64_t a, const Intervals& other, int64_t b) const {
    if (!boxes_overlap(a, other, b)) return 0;
    if (extent(a)[0] != other.extent(b)[0] || extent(a)[1] != other.extent(b)[1]) return -1;
    const int64_t *begin_a = begins_.data(), *end_a = ends_.data();
    const int64_t *begin_b = other.begins_.data(), *end_b = other.ends_.data();
    const int64_t last_a = first_[a + 1], last_b = other.first_[b + 1];
    // Skip intervals that end before the other mask starts.
    int64_t i = std::upper_bound(end_a + first_[a], end_a + last_a, begin_b[other.first_[b]]) - end_a;
    int64_t j = std::upper_bound(end_b + other.first_[b], end_b + last_b, begin_a[first_[a]]) - end_b;
    int64_t total = 0;
    while (i < last_a && j < last_b) {
      const int64_t until_a = end_a[i], until_b = end_b[j];
      const int64_t common = std::min(until_a, until_b) - std::max(begin_a[i], begin_b[j]);
      total += common > 0 ? common : 0;
      i += until_a <= until_b;
      j += until_b <= until_a;
    }
    return total;
  }

 private:
  struct Range {
    int64_t low, high;  // pixels low..high, empty if low > high
  };

  const int64_t* extent(int64_t n) const { return extents_.const_data_ptr<int64_t>() + 2 * n; }

  void measure(int64_t n) {
    const Slice<int32_t> runs = masks_[n];
    const int64_t height = extent(n)[0];
    int64_t position = 0;
    Range rows{height, -1};
    for (int64_t k = 0; k + 1 < runs.size; k += 2) {
      const int64_t begin = position + runs[k], end = begin + runs[k + 1];
      position = end;
      begins_[first_[n] + k / 2] = begin;
      ends_[first_[n] + k / 2] = end;
      area_[n] += end - begin;
      if (end == begin || height <= 0) continue;
      const bool spills = begin / height < (end - 1) / height;
      rows.low = spills ? 0 : std::min(rows.low, begin % height);
      rows.high = spills ? height - 1 : std::max(rows.high, (end - 1) % height);
    }
    rows_[n] = rows;
    columns_[n] = columns_of(n, height);
  }

  Range columns_of(int64_t n, int64_t height) const {
    int64_t first = first_[n], last = first_[n + 1] - 1;
    while (first <= last && begins_[first] == ends_[first]) ++first;
    while (last >= first && begins_[last] == ends_[last]) --last;
    if (first > last || height <= 0) return {0, -1};
    return {begins_[first] / height, (ends_[last] - 1) / height};
  }

  bool boxes_overlap(int64_t a, const Intervals& other, int64_t b) const {
    const auto overlap = [](Range p, Range q) {
      return p.low <= p.high && std::max(p.low, q.low) <= std::min(p.high, q.high);
    };
    return overlap(rows_[a], other.rows_[b]) && overlap(columns_[a], other.columns_[b]);
  }

  Ragged<int32_t> masks_;
  Tensor extents_;
  std::vector<int64_t> first_, begins_, ends_, area_;
  std::vector<Range> rows_, columns_;
};

Tensor rle_iou_cpu(const Tensor& dt_counts, const Tensor& dt_offsets, const Tensor& dt_sizes, const Tensor& gt_counts,
                   const Tensor& gt_offsets, const Tensor& gt_sizes, const Tensor& gt_crowd, const Tensor& dt_groups,
                   const Tensor& gt_groups) {
  const Intervals detections(dt_counts, dt_offsets, dt_sizes), truths(gt_counts, gt_offsets, gt_sizes);
  const PairGroups groups(dt_groups, detections.size(), gt_groups, truths.size());
  const Tensor crowds = contiguous_as(gt_crowd, ScalarType::Bool);
  STD_TORCH_CHECK(crowds.dim() == 1 && crowds.size(0) == truths.size(), "gt_crowd must have one entry for each mask");
  const bool* crowd = static_cast<const bool*>(crowds.const_data_ptr());
  Tensor out = new_empty(dt_counts, {groups.pairs()}, ScalarType::Double);
  double* ious = out.mutable_data_ptr<double>();
  parallel_for(0, detections.size(), 4, [&](int64_t begin, int64_t end) {
    for (int64_t d = begin; d < end; ++d) {
      const PairGroups::Row row = groups.row(d);
      double* values = ious + row.start;
      for (int64_t g = row.gt_begin; g < row.gt_end; ++g) {
        const int64_t shared = detections.shared(d, truths, g);
        const int64_t area = detections.area(d);
        const int64_t joint = crowd[g] ? area : area + truths.area(g) - shared;
        *values++ = shared > 0 ? double(shared) / double(joint) : double(shared);
      }
    }
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) { m.impl("rle_iou", TORCH_BOX(&rle_iou_cpu)); }

}  // namespace detectory
