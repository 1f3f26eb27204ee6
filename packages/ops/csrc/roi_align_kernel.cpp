#include "roi_align_kernel.h"

#include "vec.h"

namespace detectory::DETECTORY_ISA {

namespace {

template <typename T>
constexpr int kVectors = kBlock<T> / kLanes<T>;

// out = sum over k of weights[k] * from[k * stride], for one block of channels.
template <typename T>
inline void weighted_sum(const T* weights, int64_t count, const T* from, int64_t stride, T* out) {
  Vec<T> sums[kVectors<T>] = {};
  for (int64_t k = 0; k < count; ++k, from += stride) {
    for (int v = 0; v < kVectors<T>; ++v) sums[v] += weights[k] * load(from + v * kLanes<T>);
  }
  for (int v = 0; v < kVectors<T>; ++v) store(out + v * kLanes<T>, sums[v]);
}

// The same for two neighbouring pixels, which share the weight loads.
template <typename T>
inline void weighted_sums(const T* weights, int64_t count, const T* from, int64_t stride, int64_t next, T* out) {
  Vec<T> sums[kVectors<T>] = {}, others[kVectors<T>] = {};
  for (int64_t k = 0; k < count; ++k, from += stride) {
    const T weight = weights[k];
    for (int v = 0; v < kVectors<T>; ++v) {
      sums[v] += weight * load(from + v * kLanes<T>);
      others[v] += weight * load(from + next + v * kLanes<T>);
    }
  }
  for (int v = 0; v < kVectors<T>; ++v) {
    store(out + v * kLanes<T>, sums[v]);
    store(out + kBlock<T> + v * kLanes<T>, others[v]);
  }
}

template <typename T>
void pool(const RoiBins<T>& roi, const T* pixels, int64_t y_stride, int64_t x_stride, T* lines, T* cells) {
  constexpr int64_t block = kBlock<T>;
  for (int64_t ph = 0; ph < roi.PH; ++ph) {
    const Bin rows = roi.y[ph];
    const T* weights = roi.y_weights + rows.offset;
    const T* first = pixels + rows.start * y_stride;
    int64_t x = 0;
    for (; x + 2 <= roi.width; x += 2) {
      weighted_sums(weights, rows.count, first + x * x_stride, y_stride, x_stride, lines + x * block);
    }
    if (x < roi.width) weighted_sum(weights, rows.count, first + x * x_stride, y_stride, lines + x * block);
    for (int64_t pw = 0; pw < roi.PW; ++pw, cells += block) {
      const Bin columns = roi.x[pw];
      weighted_sum(roi.x_weights + columns.offset, columns.count, lines + columns.start * block, block, cells);
    }
  }
}

template <typename T>
inline void add_weighted(T weight, const T* from, T* to) {
  for (int v = 0; v < kVectors<T>; ++v) {
    T* at = to + v * kLanes<T>;
    store(at, load(at) + weight * load(from + v * kLanes<T>));
  }
}

template <typename T>
void unpool(const RoiBins<T>& roi, const T* cells, T* lines, T* pixels, int64_t y_stride) {
  constexpr int64_t block = kBlock<T>;
  const int64_t line = roi.width * block;
  for (int64_t i = 0; i < roi.PH * line; ++i) lines[i] = 0;
  for (int64_t ph = 0; ph < roi.PH; ++ph) {
    for (int64_t pw = 0; pw < roi.PW; ++pw, cells += block) {
      const Bin columns = roi.x[pw];
      const T* weights = roi.x_weights + columns.offset;
      for (int64_t k = 0; k < columns.count; ++k) {
        add_weighted(weights[k], cells, lines + ph * line + (columns.start + k) * block);
      }
    }
  }
  for (int64_t ph = 0; ph < roi.PH; ++ph) {
    const Bin rows = roi.y[ph];
    const T* weights = roi.y_weights + rows.offset;
    for (int64_t k = 0; k < rows.count; ++k) {
      T* to = pixels + (rows.start + k) * y_stride;
      for (int64_t i = 0; i < line; i += block) add_weighted(weights[k], lines + ph * line + i, to + i);
    }
  }
}

}  // namespace

void pool_f32(const RoiBins<float>& roi, const float* pixels, int64_t y_stride, int64_t x_stride, float* lines,
              float* cells) {
  pool(roi, pixels, y_stride, x_stride, lines, cells);
}

void pool_f64(const RoiBins<double>& roi, const double* pixels, int64_t y_stride, int64_t x_stride, double* lines,
              double* cells) {
  pool(roi, pixels, y_stride, x_stride, lines, cells);
}

void unpool_f32(const RoiBins<float>& roi, const float* cells, float* lines, float* pixels, int64_t y_stride) {
  unpool(roi, cells, lines, pixels, y_stride);
}

void unpool_f64(const RoiBins<double>& roi, const double* cells, double* lines, double* pixels, int64_t y_stride) {
  unpool(roi, cells, lines, pixels, y_stride);
}

}  // namespace detectory::DETECTORY_ISA
