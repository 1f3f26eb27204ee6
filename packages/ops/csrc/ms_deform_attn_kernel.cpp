#include "ms_deform_attn_kernel.h"

#include "vec.h"

namespace detectory::DETECTORY_ISA {

namespace {

// The rows of `value` around a bilinear sample of one level, with weight 0 outside the map.
template <typename T>
struct Sample {
  int64_t row[4];
  T weight[4], valid[4];
  T fy, fx;
  bool inside;
};

template <typename T>
Sample<T> sample_at(const AttentionHead<T>& head, int64_t level, const T* location) {
  const int64_t H = head.shapes[2 * level], W = head.shapes[2 * level + 1];
  const T x = location[0] * T(W) - T(0.5), y = location[1] * T(H) - T(0.5);
  Sample<T> s{};
  s.inside = y > -1 && y < T(H) && x > -1 && x < T(W);
  if (!s.inside) return s;
  const int64_t top = int64_t(y + 1) - 1, left = int64_t(x + 1) - 1;  // floor, since both are > -1
  s.fy = y - T(top), s.fx = x - T(left);
  for (int corner = 0; corner < 4; ++corner) {
    const int64_t row = top + corner / 2, column = left + corner % 2;
    const bool valid = row >= 0 && row < H && column >= 0 && column < W;
    s.row[corner] = head.starts[level] + (valid ? row * W + column : 0);
    s.valid[corner] = T(valid);
    s.weight[corner] = valid ? (corner / 2 ? s.fy : 1 - s.fy) * (corner % 2 ? s.fx : 1 - s.fx) : T(0);
  }
  return s;
}

template <typename T>
void attend(const AttentionHead<T>& head, int64_t begin, int64_t end, T* out, int64_t stride) {
  for (int64_t q = begin; q < end; ++q) {
    T* __restrict to = out + q * stride;
    for (int64_t d = 0; d < head.D; ++d) to[d] = 0;
    for (int64_t i = 0; i < head.L * head.P; ++i) {
      const Sample<T> s = sample_at(head, i / head.P, head.locations + q * head.location_stride + 2 * i);
      if (!s.inside) continue;
      const T weight = head.weights[q * head.weight_stride + i];
      const T *a = head.value + s.row[0] * head.value_stride, *b = head.value + s.row[1] * head.value_stride;
      const T *e = head.value + s.row[2] * head.value_stride, *f = head.value + s.row[3] * head.value_stride;
      const T wa = s.weight[0] * weight, wb = s.weight[1] * weight, we = s.weight[2] * weight,
              wf = s.weight[3] * weight;
      for (int64_t d = 0; d < head.D; ++d) to[d] += wa * a[d] + wb * b[d] + we * e[d] + wf * f[d];
    }
  }
}

template <typename T>
inline T dot(const T* a, const T* b, int64_t count) {
  Vec<T> sums = {};
  int64_t j = 0;
  for (; j + kLanes<T> <= count; j += kLanes<T>) sums += load(a + j) * load(b + j);
  T sum = 0;
  for (int lane = 0; lane < kLanes<T>; ++lane) sum += sums[lane];
  for (; j < count; ++j) sum += a[j] * b[j];
  return sum;
}

template <typename T>
void attend_back(const AttentionHead<T>& head, int64_t Q, const T* grads, int64_t stride, T* value_grad,
                 T* location_grad, T* weight_grad) {
  for (int64_t q = 0; q < Q; ++q) {
    const T* __restrict grad = grads + q * stride;
    for (int64_t i = 0; i < head.L * head.P; ++i) {
      const int64_t level = i / head.P;
      const Sample<T> s = sample_at(head, level, head.locations + q * head.location_stride + 2 * i);
      T* location = location_grad + q * head.location_stride + 2 * i;
      T* own = weight_grad + q * head.weight_stride + i;
      location[0] = location[1] = *own = 0;
      if (!s.inside) continue;
      const T weight = head.weights[q * head.weight_stride + i];
      T sums[4];
      for (int corner = 0; corner < 4; ++corner) {
        const int64_t at = s.row[corner] * head.value_stride;
        sums[corner] = s.valid[corner] * dot(grad, head.value + at, head.D);
        *own += s.weight[corner] * sums[corner];
        const T share = s.weight[corner] * weight;
        T* __restrict to = value_grad + at;
        for (int64_t d = 0; d < head.D; ++d) to[d] += share * grad[d];
      }
      const T along_x = (1 - s.fy) * (sums[1] - sums[0]) + s.fy * (sums[3] - sums[2]);
      const T along_y = (1 - s.fx) * (sums[2] - sums[0]) + s.fx * (sums[3] - sums[1]);
      location[0] = weight * T(head.shapes[2 * level + 1]) * along_x;
      location[1] = weight * T(head.shapes[2 * level]) * along_y;
    }
  }
}

}  // namespace

void attend_f32(const AttentionHead<float>& head, int64_t begin, int64_t end, float* out, int64_t stride) {
  attend(head, begin, end, out, stride);
}

void attend_f64(const AttentionHead<double>& head, int64_t begin, int64_t end, double* out, int64_t stride) {
  attend(head, begin, end, out, stride);
}

void attend_back_f32(const AttentionHead<float>& head, int64_t Q, const float* grad, int64_t stride, float* value_grad,
                     float* location_grad, float* weight_grad) {
  attend_back(head, Q, grad, stride, value_grad, location_grad, weight_grad);
}

void attend_back_f64(const AttentionHead<double>& head, int64_t Q, const double* grad, int64_t stride,
                     double* value_grad, double* location_grad, double* weight_grad) {
  attend_back(head, Q, grad, stride, value_grad, location_grad, weight_grad);
}

}  // namespace detectory::DETECTORY_ISA
