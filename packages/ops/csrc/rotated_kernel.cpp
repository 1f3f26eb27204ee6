#include "rotated_kernel.h"

namespace detectory::DETECTORY_ISA {

namespace {

constexpr int64_t kChunk = 16;

inline RotatedBox column(const double* others, int64_t stride, int64_t j) {
  return {others[j],
          others[stride + j],
          others[2 * stride + j],
          others[3 * stride + j],
          others[4 * stride + j],
          others[5 * stride + j],
          others[6 * stride + j],
          others[7 * stride + j]};
}

// Whether the circumscribed circle of the box overlaps that of any box in a chunk; rejects most chunks early.
inline bool circles_meet(const RotatedBox& box, const double* others, int64_t stride, int64_t from, int64_t to) {
  int64_t near = 0;
  for (int64_t j = from; j < to; ++j) {
    const double dx = others[j] - box.cx, dy = others[stride + j] - box.cy, sum = box.radius + others[7 * stride + j];
    near |= int64_t(dx * dx + dy * dy <= sum * sum);
  }
  return near != 0;
}

}  // namespace

void rotated_ious(const RotatedBox& box, const double* others, int64_t stride, int64_t count, double* out) {
  const RotatedBox own = box;
  for (int64_t from = 0; from < count; from += kChunk) {
    const int64_t to = from + kChunk < count ? from + kChunk : count;
    if (!circles_meet(own, others, stride, from, to)) {
      for (int64_t j = from; j < to; ++j) out[j] = 0;
      continue;
    }
    for (int64_t j = from; j < to; ++j) out[j] = rotated_iou(own, column(others, stride, j));
  }
}

bool rotated_overlaps_any(const RotatedBox& box, const double* others, int64_t stride, int64_t count,
                          double threshold) {
  const RotatedBox own = box;
  for (int64_t from = 0; from < count; from += kChunk) {
    const int64_t to = from + kChunk < count ? from + kChunk : count;
    if (!circles_meet(own, others, stride, from, to)) continue;
    int64_t over = 0;
    for (int64_t j = from; j < to; ++j) over |= int64_t(rotated_iou(own, column(others, stride, j)) > threshold);
    if (over) return true;
  }
  return false;
}

}  // namespace detectory::DETECTORY_ISA
