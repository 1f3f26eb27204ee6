#include "score_order.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace detectory {

namespace {

template <typename Key>
struct Entry {
  Key key;
  int32_t index;
};

// LSD radix sort, 11 bits per pass; a pass is skipped if the digit is the same for all keys.
template <typename Key>
std::vector<Entry<Key>> radix_sorted(std::vector<Entry<Key>> entries) {
  constexpr int bits = 11, buckets = 1 << bits;
  std::vector<Entry<Key>> other(entries.size());
  std::vector<int64_t> begins(buckets);
  for (int shift = 0; shift < int(sizeof(Key) * 8); shift += bits) {
    std::fill(begins.begin(), begins.end(), 0);
    for (const auto& entry : entries) ++begins[(entry.key >> shift) & (buckets - 1)];
    if (begins[(entries[0].key >> shift) & (buckets - 1)] == int64_t(entries.size())) continue;
    int64_t sum = 0;
    for (auto& begin : begins) sum += std::exchange(begin, sum);
    for (const auto& entry : entries) other[begins[(entry.key >> shift) & (buckets - 1)]++] = entry;
    entries.swap(other);
  }
  return entries;
}

}  // namespace

template <typename T>
std::vector<int32_t> order_by_score(const T* scores, int64_t N) {
  using Key = decltype(descending_key(T()));
  std::vector<Entry<Key>> entries(N);
  for (int64_t i = 0; i < N; ++i) entries[i] = {descending_key(scores[i]), int32_t(i)};
  if (N < 256) {
    std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  } else {
    entries = radix_sorted(std::move(entries));
  }
  std::vector<int32_t> order(N);
  for (int64_t i = 0; i < N; ++i) order[i] = entries[i].index;
  return order;
}

template std::vector<int32_t> order_by_score<float>(const float*, int64_t);
template std::vector<int32_t> order_by_score<double>(const double*, int64_t);

ClassOrder order_by_class(const int64_t* classes, const std::vector<int32_t>& order) {
  const int64_t N = order.size();
  ClassOrder result;
  result.ranks.resize(N);
  if (N == 0) return result;
  const auto [low, high] = std::minmax_element(classes, classes + N);
  const uint64_t range = uint64_t(*high) - uint64_t(*low);
  if (range < uint64_t(4 * N + 1024)) {
    std::vector<int64_t> begins(range + 2, 0);
    for (int64_t i = 0; i < N; ++i) ++begins[classes[i] - *low + 1];
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    result.begins = begins;
    for (int64_t rank = 0; rank < N; ++rank) result.ranks[begins[classes[order[rank]] - *low]++] = rank;
    return result;
  }
  std::iota(result.ranks.begin(), result.ranks.end(), 0);
  const auto of = [&](int32_t rank) { return classes[order[rank]]; };
  std::stable_sort(result.ranks.begin(), result.ranks.end(), [&](int32_t a, int32_t b) { return of(a) < of(b); });
  for (int64_t i = 0; i < N; ++i) {
    if (i == 0 || of(result.ranks[i]) != of(result.ranks[i - 1])) result.begins.push_back(i);
  }
  result.begins.push_back(N);
  return result;
}

}  // namespace detectory
