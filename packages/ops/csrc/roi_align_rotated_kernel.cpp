#include "roi_align_rotated_kernel.h"

#include "vec.h"

namespace detectory::DETECTORY_ISA {

namespace {

template <typename T>
constexpr int kVectors = kBlock<T> / kLanes<T>;

template <typename T>
void gather(const TapList<T>& taps, const T* pixels, int64_t stride, T* cells) {
  for (int64_t cell = 0; cell < taps.cells; ++cell, cells += kBlock<T>) {
    Vec<T> sums[kVectors<T>] = {};
    for (int64_t i = taps.begins[cell]; i < taps.begins[cell + 1]; ++i) {
      const T* from = pixels + (taps.pixels[i] - taps.first_pixel) * stride;
      for (int v = 0; v < kVectors<T>; ++v) sums[v] += taps.weights[i] * load(from + v * kLanes<T>);
    }
    for (int v = 0; v < kVectors<T>; ++v) store(cells + v * kLanes<T>, sums[v]);
  }
}

template <typename T>
void scatter(const TapList<T>& taps, const T* cells, T* pixels) {
  for (int64_t cell = 0; cell < taps.cells; ++cell, cells += kBlock<T>) {
    for (int64_t i = taps.begins[cell]; i < taps.begins[cell + 1]; ++i) {
      T* to = pixels + (taps.pixels[i] - taps.first_pixel) * kBlock<T>;
      for (int v = 0; v < kVectors<T>; ++v) {
        store(to + v * kLanes<T>, load(to + v * kLanes<T>) + taps.weights[i] * load(cells + v * kLanes<T>));
      }
    }
  }
}

}  // namespace

void gather_taps_f32(const TapList<float>& taps, const float* pixels, int64_t stride, float* cells) {
  gather(taps, pixels, stride, cells);
}

void gather_taps_f64(const TapList<double>& taps, const double* pixels, int64_t stride, double* cells) {
  gather(taps, pixels, stride, cells);
}

void scatter_taps_f32(const TapList<float>& taps, const float* cells, float* pixels) { scatter(taps, cells, pixels); }

void scatter_taps_f64(const TapList<double>& taps, const double* cells, double* pixels) {
  scatter(taps, cells, pixels);
}

}  // namespace detectory::DETECTORY_ISA
