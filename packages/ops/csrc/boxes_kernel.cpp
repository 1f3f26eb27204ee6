#include "boxes_kernel.h"

namespace detectory::DETECTORY_ISA {

namespace {

template <typename T>
inline T larger(T a, T b) {
  return a > b ? a : b;
}

template <typename T>
inline T smaller(T a, T b) {
  return a < b ? a : b;
}

template <Overlap kind, typename T>
void one_row(const T* box, const BoxColumns<T>& columns, int64_t M, T* __restrict out) {
  const T x1 = box[0], y1 = box[1], x2 = box[2], y2 = box[3];
  const T area = (x2 - x1) * (y2 - y1);
  const T *__restrict x1s = columns.x1, *__restrict y1s = columns.y1, *__restrict x2s = columns.x2,
          *__restrict y2s = columns.y2, *__restrict areas = columns.area;
  for (int64_t j = 0; j < M; ++j) {
    const T width = larger(smaller(x2, x2s[j]) - larger(x1, x1s[j]), T(0));
    const T height = larger(smaller(y2, y2s[j]) - larger(y1, y1s[j]), T(0));
    const T inter = width * height;
    const T joint = kind == Overlap::ioa ? areas[j] + 0 * area : area + areas[j] - inter;
    // A NaN coordinate makes the area NaN and the comparison false, so that the overlap is 0.
    const T ratio = ((inter > 0) & (joint > 0)) ? inter / joint : T(0);
    if constexpr (kind == Overlap::giou) {
      const T hull = (larger(x2, x2s[j]) - smaller(x1, x1s[j])) * (larger(y2, y2s[j]) - smaller(y1, y1s[j]));
      out[j] = ((hull > 0) & (joint == joint)) ? ratio - (hull - joint) / hull : T(0);
    } else {
      out[j] = ratio;
    }
  }
}

template <typename T>
void overlap(Overlap kind, const T* boxes1, int64_t rows, const BoxColumns<T>& columns, int64_t M, T* out) {
  for (int64_t i = 0; i < rows; ++i, boxes1 += 4, out += M) {
    switch (kind) {
      case Overlap::iou:
        one_row<Overlap::iou>(boxes1, columns, M, out);
        break;
      case Overlap::ioa:
        one_row<Overlap::ioa>(boxes1, columns, M, out);
        break;
      case Overlap::giou:
        one_row<Overlap::giou>(boxes1, columns, M, out);
        break;
    }
  }
}

}  // namespace

void overlap_f32(Overlap kind, const float* boxes1, int64_t rows, BoxColumns<float> columns, int64_t M, float* out) {
  overlap(kind, boxes1, rows, columns, M, out);
}

void overlap_f64(Overlap kind, const double* boxes1, int64_t rows, BoxColumns<double> columns, int64_t M, double* out) {
  overlap(kind, boxes1, rows, columns, M, out);
}

}  // namespace detectory::DETECTORY_ISA
