// Union and intersection of two run-length encoded masks.
#pragma once

#include "rle_runs.h"

namespace detectory {

inline Slice<int32_t> slice_of(const Runs& runs) { return {runs.data(), static_cast<int64_t>(runs.size())}; }

// Iterates over the runs of one mask.
class RunCursor {
 public:
  explicit RunCursor(Slice<int32_t> runs) : runs_(runs) { left_ = runs.size > 0 ? runs[0] : 0; }

  int64_t left() const { return left_; }
  bool value() const { return index_ & 1; }
  bool done() const { return left_ == 0 && index_ + 1 >= runs_.size; }

  // Advances by `step` <= left() pixels, to the next run if this one ends.
  void advance(int64_t step) {
    left_ -= step;
    if (left_ == 0 && index_ + 1 < runs_.size) left_ = runs_[++index_];
  }

 private:
  Slice<int32_t> runs_;
  int64_t index_ = 0, left_ = 0;
};

// The runs of the union or intersection, identical to pycocotools. Ends with the shorter of both lists.
inline void merge_runs(Slice<int32_t> first, Slice<int32_t> second, bool intersect, Runs& out) {
  out.clear();
  RunCursor a(first), b(second);
  bool value = false;
  int64_t length = 0;
  for (bool going = true; going;) {
    const int64_t step = std::min(a.left(), b.left());
    length += step;
    a.advance(step);
    b.advance(step);
    going = !a.done() && !b.done();
    const bool next = intersect ? a.value() && b.value() : a.value() || b.value();
    if (next != value || !going) {
      out.push_back(static_cast<int32_t>(length));
      length = 0;
      value = next;
    }
  }
}

}  // namespace detectory
