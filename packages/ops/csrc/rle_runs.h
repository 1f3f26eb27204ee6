// Run lengths of binary masks in column-major pixel order, background first, as used by all RLE operators. N masks are
// a flat int32 tensor `counts` and int64 `offsets` (N + 1); the runs of mask n are counts[offsets[n]:offsets[n + 1]].
#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <vector>

#include "tensors.h"

namespace detectory {

using Runs = std::vector<int32_t>;

// Builds the runs of one mask from value changes in pixel order.
class RunBuilder {
 public:
  explicit RunBuilder(Runs& runs) : runs_(runs) { runs_.clear(); }

  // Sets the value from pixel `position` on. Positions must not decrease.
  void set(bool value, int64_t position) {
    if (value == value_) return;
    runs_.push_back(static_cast<int32_t>(position - start_));
    start_ = position;
    value_ = value;
  }

  // Ends the mask before pixel `total`; an empty mask is a single run of length 0.
  void finish(int64_t total) { runs_.push_back(static_cast<int32_t>(total - start_)); }

 private:
  Runs& runs_;
  int64_t start_ = 0;
  bool value_ = false;
};

// One row of a ragged tensor.
template <typename T>
struct Slice {
  const T* data;
  int64_t size;
  const T* begin() const { return data; }
  const T* end() const { return data + size; }
  T operator[](int64_t i) const { return data[i]; }
};

// A flat tensor divided into rows by offsets. Offsets are used as indices, so they are checked here to guard memory.
template <typename T>
class Ragged {
 public:
  Ragged(const Tensor& values, const Tensor& offsets, ScalarType dtype)
      : values_(contiguous_as(values, dtype)), offsets_(contiguous_as(offsets, ScalarType::Long)) {
    STD_TORCH_CHECK(values_.dim() == 1 && offsets_.dim() == 1 && offsets_.size(0) >= 1,
                    "a ragged tensor is one flat tensor and at least one offset");
    const int64_t* cuts = offsets_.const_data_ptr<int64_t>();
    STD_TORCH_CHECK(cuts[0] == 0 && cuts[size()] == values_.size(0) && std::is_sorted(cuts, cuts + size() + 1),
                    "offsets must rise from 0 to the number of values");
  }

  int64_t size() const { return offsets_.size(0) - 1; }
  const Tensor& values() const { return values_; }
  Slice<T> operator[](int64_t n) const {
    const int64_t* cuts = offsets_.const_data_ptr<int64_t>();
    return {values_.const_data_ptr<T>() + cuts[n], cuts[n + 1] - cuts[n]};
  }

 private:
  Tensor values_, offsets_;
};

inline Ragged<int32_t> ragged_runs(const Tensor& counts, const Tensor& offsets) {
  return Ragged<int32_t>(counts, offsets, ScalarType::Int);
}

// Converts a list of rows to values and offsets, on the device of `like`.
template <typename T>
std::tuple<Tensor, Tensor> pack_rows(const std::vector<std::vector<T>>& rows, const Tensor& like, ScalarType dtype) {
  const int64_t N = static_cast<int64_t>(rows.size());
  Tensor offsets = new_empty(like, {N + 1}, ScalarType::Long);
  int64_t* cuts = offsets.mutable_data_ptr<int64_t>();
  cuts[0] = 0;
  for (int64_t n = 0; n < N; ++n) cuts[n + 1] = cuts[n] + static_cast<int64_t>(rows[n].size());
  Tensor values = new_empty(like, {cuts[N]}, dtype);
  T* out = values.mutable_data_ptr<T>();
  for (int64_t n = 0; n < N; ++n) std::copy(rows[n].begin(), rows[n].end(), out + cuts[n]);
  return {values, offsets};
}

inline std::tuple<Tensor, Tensor> pack_runs(const std::vector<Runs>& runs, const Tensor& like) {
  return pack_rows(runs, like, ScalarType::Int);
}

}  // namespace detectory
