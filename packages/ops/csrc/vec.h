// Vectors of the width of this build's instruction set, with the compiler's vector extension. For kernel files only.
#pragma once

#include <cstdint>
#include <utility>

#include "elements.h"

namespace detectory::DETECTORY_ISA {

#if defined(DETECTORY_ISA_avx512)
constexpr int kVectorBytes = 64;
#elif defined(DETECTORY_ISA_avx2)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <typename T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};

template <typename T>
using Vec = typename VectorOf<T>::type;

template <typename T>
constexpr int kLanes = kVectorBytes / sizeof(T);

template <typename T>
inline Vec<T> load(const T* from) {
  Vec<T> vector;
  __builtin_memcpy(&vector, from, sizeof vector);
  return vector;
}

template <typename T>
inline void store(T* to, Vec<T> vector) {
  __builtin_memcpy(to, &vector, sizeof vector);
}

namespace detail {

// Butterfly step of a transpose: element i of the first result is a[i] if bit `step` of i is 0, otherwise b[i - step].
template <typename T, int step, int... i>
inline void exchange(Vec<T>& a, Vec<T>& b, std::integer_sequence<int, i...>) {
  constexpr int n = kLanes<T>;
  const Vec<T> low = __builtin_shufflevector(a, b, ((i & step) ? n + i - step : i)...);
  b = __builtin_shufflevector(a, b, ((i & step) ? n + i : i + step)...);
  a = low;
}

template <typename T, int step>
inline void transpose_steps(Vec<T>* rows) {
  constexpr int n = kLanes<T>;
  if constexpr (step < n) {
    for (int i = 0; i < n; ++i) {
      if (!(i & step)) exchange<T, step>(rows[i], rows[i + step], std::make_integer_sequence<int, n>());
    }
    transpose_steps<T, step * 2>(rows);
  }
}

}  // namespace detail

// Transposes kLanes x kLanes elements in registers.
template <typename T>
inline void transpose(Vec<T>* rows) {
  detail::transpose_steps<T, 1>(rows);
}

// Transposes (rows, columns) to (columns, rows), both with a row stride.
template <typename T>
inline void transpose(const T* from, int64_t from_stride, int64_t rows, int64_t columns, T* to, int64_t to_stride) {
  constexpr int n = kLanes<T>;
  const int64_t whole_rows = rows / n * n, whole_columns = columns / n * n;
  for (int64_t r = 0; r < whole_rows; r += n) {
    for (int64_t c = 0; c < whole_columns; c += n) {
      Vec<T> square[n];
      for (int i = 0; i < n; ++i) square[i] = load(from + (r + i) * from_stride + c);
      transpose<T>(square);
      for (int i = 0; i < n; ++i) store(to + (c + i) * to_stride + r, square[i]);
    }
    for (int64_t c = whole_columns; c < columns; ++c) {
      for (int i = 0; i < n; ++i) to[c * to_stride + r + i] = from[(r + i) * from_stride + c];
    }
  }
  for (int64_t r = whole_rows; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) to[c * to_stride + r] = from[r * from_stride + c];
  }
}

}  // namespace detectory::DETECTORY_ISA
