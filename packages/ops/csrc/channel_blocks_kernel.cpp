#include "channel_blocks_kernel.h"

#include <vector>

#include "vec.h"

namespace detectory::DETECTORY_ISA {

namespace {

template <typename T, typename E>
void load_block(const E* data, const Plane& plane, int64_t channels, int64_t height, int64_t width, T* out) {
  constexpr int64_t block = kBlock<T>;
  // Rows are first copied to a dense buffer of the compute type unless they already have that form.
  const bool dense = plane.x_stride == 1 && sizeof(E) == sizeof(T);
  std::vector<T> rows(dense ? 0 : channels * width);
  for (int64_t y = 0; y < height; ++y, out += width * block) {
    const E* line = data + y * plane.y_stride;
    if (channels < block) std::fill(out, out + width * block, T(0));
    if (plane.c_stride == 1) {
      for (int64_t x = 0; x < width; ++x) {
        for (int64_t c = 0; c < channels; ++c) out[x * block + c] = number(line[x * plane.x_stride + c]);
      }
      continue;
    }
    if (dense) {
      transpose<T>(reinterpret_cast<const T*>(line), plane.c_stride, channels, width, out, block);
      continue;
    }
    for (int64_t c = 0; c < channels; ++c) {
      const E* from = line + c * plane.c_stride;
      T* to = rows.data() + c * width;
      if (plane.x_stride == 1) {
        for (int64_t x = 0; x < width; ++x) to[x] = number(from[x]);
      } else {
        for (int64_t x = 0; x < width; ++x) to[x] = number(from[x * plane.x_stride]);
      }
    }
    transpose<T>(rows.data(), width, channels, width, out, block);
  }
}

}  // namespace

void load_block_f32(const Plane& plane, int64_t channels, int64_t height, int64_t width, float* out) {
  switch (plane.element) {
    case Element::f16:
      return load_block(static_cast<const Half*>(plane.data), plane, channels, height, width, out);
    case Element::bf16:
      return load_block(static_cast<const BFloat16*>(plane.data), plane, channels, height, width, out);
    default:
      return load_block(static_cast<const float*>(plane.data), plane, channels, height, width, out);
  }
}

void load_block_f64(const Plane& plane, int64_t channels, int64_t height, int64_t width, double* out) {
  load_block(static_cast<const double*>(plane.data), plane, channels, height, width, out);
}

void store_block_f32(const float* block, int64_t channels, int64_t pixels, float* out, int64_t stride) {
  transpose<float>(block, kBlock<float>, pixels, channels, out, stride);
}

void store_block_f64(const double* block, int64_t channels, int64_t pixels, double* out, int64_t stride) {
  transpose<double>(block, kBlock<double>, pixels, channels, out, stride);
}

void transpose_f32(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
                   int64_t to_stride) {
  transpose<float>(from, from_stride, rows, columns, to, to_stride);
}

void transpose_f64(const double* from, int64_t from_stride, int64_t rows, int64_t columns, double* to,
                   int64_t to_stride) {
  transpose<double>(from, from_stride, rows, columns, to, to_stride);
}

}  // namespace detectory::DETECTORY_ISA
