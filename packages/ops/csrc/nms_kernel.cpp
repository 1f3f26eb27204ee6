#include "nms_kernel.h"

#include <limits>

namespace detectory::DETECTORY_ISA {

namespace {

template <typename T>
inline T intersection(const T* box, const BoxColumns<T>& kept, int64_t j) {
  const T x1 = box[0] > kept.x1[j] ? box[0] : kept.x1[j], y1 = box[1] > kept.y1[j] ? box[1] : kept.y1[j];
  const T x2 = box[2] < kept.x2[j] ? box[2] : kept.x2[j], y2 = box[3] < kept.y2[j] ? box[3] : kept.y2[j];
  const T width = x2 - x1 > 0 ? x2 - x1 : T(0), height = y2 - y1 > 0 ? y2 - y1 : T(0);
  return width * height;
}

// Vector lanes compare products instead of quotients, up to the rounding margin `slack`; candidates are then decided by
// the quotient of the definition.
template <typename T, typename Bits>
bool overlaps_any(const T* box, const BoxColumns<T>& kept, int64_t count, T threshold) {
  constexpr int64_t chunk = 256 / sizeof(T);
  const T slack = threshold * (1 - 8 * std::numeric_limits<T>::epsilon());
  for (int64_t from = 0; from < count; from += chunk) {
    const int64_t to = from + chunk < count ? from + chunk : count;
    Bits near = 0;
    for (int64_t j = from; j < to; ++j) {
      const T inter = intersection(box, kept, j);
      near |= Bits(inter > slack * (box[4] + kept.area[j] - inter));
    }
    if (!near) continue;
    for (int64_t j = from; j < to; ++j) {
      const T inter = intersection(box, kept, j);
      if (inter > 0 && inter / (box[4] + kept.area[j] - inter) > threshold) return true;
    }
  }
  return false;
}

}  // namespace

bool overlaps_any_f32(const float* box, BoxColumns<float> kept, int64_t count, float threshold) {
  return overlaps_any<float, uint32_t>(box, kept, count, threshold);
}

bool overlaps_any_f64(const double* box, BoxColumns<double> kept, int64_t count, double threshold) {
  return overlaps_any<double, uint64_t>(box, kept, count, threshold);
}

}  // namespace detectory::DETECTORY_ISA
