// Sorting for NMS: by score, then by class. Shared by the operators for axis-aligned and rotated boxes.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace detectory {

// Maps a score to an unsigned integer, such that ascending integers are descending scores. NaN comes first, as in
// torch.sort, and both zeros are equal.
inline uint32_t descending_key(float score) {
  if (score != score) return 0;
  const float plain = score + 0.0f;
  uint32_t bits;
  std::memcpy(&bits, &plain, sizeof bits);
  return bits >> 31 ? bits : 0x7fffffffu - bits;
}

inline uint64_t descending_key(double score) {
  if (score != score) return 0;
  const double plain = score + 0.0;
  uint64_t bits;
  std::memcpy(&bits, &plain, sizeof bits);
  return bits >> 63 ? bits : 0x7fffffffffffffffull - bits;
}

// Indices of the scores in descending order; ties keep the input order.
template <typename T>
std::vector<int32_t> order_by_score(const T* scores, int64_t N);

// Ranks 0..N-1 grouped by class, ascending within a class, and the offsets of the classes (number of classes + 1).
struct ClassOrder {
  std::vector<int32_t> ranks;
  std::vector<int64_t> begins;
};

// `classes` is indexed by box; `order` is the box at each rank.
ClassOrder order_by_class(const int64_t* classes, const std::vector<int32_t>& order);

}  // namespace detectory
