#include "losses_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace detectory::DETECTORY_ISA {

namespace {

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// exp(v) for v <= 0, clamped at exp(-87) to avoid denormals; relative error below 2^-22. Propagates NaN.
inline float exp_of_negative(float v) {
  v = v < -87.0f ? -87.0f : v;
  // Adding 1.5 * 2^23 rounds to an integer in the low mantissa bits.
  const float shifted = v * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (v - n * 0.693359375f) + n * 2.12194440e-4f;
  float sum = 1.3888889e-3f;
  sum = sum * r + 8.3333333e-3f;
  sum = sum * r + 4.1666667e-2f;
  sum = sum * r + 1.6666667e-1f;
  sum = sum * r + 0.5f;
  sum = sum * r * r + r + 1.0f;
  return sum * float_of((bits_of(shifted) - 0x4B400000u + 127u) << 23);
}

// 2 atanh(s) = log((1 + s) / (1 - s)) for 0 <= s <= 1/3.
inline float twice_atanh(float s) {
  const float square = s * s;
  float sum = 1.0f / 13;
  sum = sum * square + 1.0f / 11;
  sum = sum * square + 1.0f / 9;
  sum = sum * square + 1.0f / 7;
  sum = sum * square + 1.0f / 5;
  sum = sum * square + 1.0f / 3;
  return 2.0f * s * (sum * square + 1.0f);
}

// q^g for normal q in (0, 1] and g >= 0.
inline float power(float q, float g) {
  const uint32_t bits = bits_of(q);
  const float mantissa = float_of((bits & 0x007FFFFFu) | 0x3F800000u);
  const float exponent = static_cast<float>(static_cast<int32_t>(bits >> 23) - 127);
  const float log = exponent * 0.69314718f + twice_atanh((mantissa - 1.0f) / (mantissa + 1.0f));
  const float scaled = g * log;
  return exp_of_negative(scaled < 0.0f ? scaled : 0.0f);
}

inline double exp_of_negative(double v) { return std::exp(std::max(v, -700.0)); }
inline double power(double q, double g) { return std::pow(q, g); }

enum class Gamma { zero, one, two, other };

template <typename T>
struct Terms {
  T p, not_p, q, entropy, weight;
};

inline void sigmoid_and_log(float small, float& inverse, float& log) {
  const float shared = 1.0f / ((1.0f + small) * (2.0f + small));
  inverse = (2.0f + small) * shared;
  log = twice_atanh(small * (1.0f + small) * shared);
}

inline void sigmoid_and_log(double small, double& inverse, double& log) {
  inverse = 1.0 / (1.0 + small);
  log = std::log1p(small);
}

template <typename T>
inline Terms<T> terms_of(T x, T t, T negative, T positive) {
  const T small = exp_of_negative(x > 0 ? -x : x);
  T inverse, log;
  sigmoid_and_log(small, inverse, log);
  const T rest = small * inverse;
  Terms<T> terms;
  terms.p = x >= 0 ? inverse : rest;
  terms.not_p = x >= 0 ? rest : inverse;
  terms.q = terms.p * (T(1) - t) + terms.not_p * t;
  // The loss of an infinite logit of the correct sign is 0; avoid 0 * infinity.
  const T above = (x > 0) & (t != T(1)) ? x * (T(1) - t) : T(0);
  const T below = (x < 0) & (t != T(0)) ? x * t : T(0);
  terms.entropy = above - below + log;
  terms.weight = negative * (T(1) - t) + positive * t;
  return terms;
}

template <Gamma kind, typename T>
inline T modulation(T q, T gamma) {
  if constexpr (kind == Gamma::zero) return T(1);
  if constexpr (kind == Gamma::one) return q;
  if constexpr (kind == Gamma::two) return q * q;
  return power(q, gamma);
}

template <Gamma kind, typename T>
void loss_of(const T* xs, const T* ts, int64_t count, FocalWeights weights, T* out) {
  const T* __restrict x = xs, * __restrict t = ts;
  T* __restrict loss = out;
  const T negative = T(weights.negative), positive = T(weights.positive), gamma = T(weights.gamma);
  for (int64_t i = 0; i < count; ++i) {
    const Terms<T> terms = terms_of(x[i], t[i], negative, positive);
    loss[i] = terms.weight * (modulation<kind>(terms.q, gamma) * terms.entropy);
  }
}

template <Gamma kind, typename T>
void gradient_of(const T* xs, const T* ts, const T* grads, int64_t step, int64_t count, FocalWeights weights, T* out) {
  const T* __restrict x = xs, * __restrict t = ts, * __restrict grad = grads;
  T* __restrict result = out;
  const T negative = T(weights.negative), positive = T(weights.positive), gamma = T(weights.gamma);
  const auto one = [&](int64_t i, T incoming) {
    const Terms<T> terms = terms_of(x[i], t[i], negative, positive);
    const T scale = modulation<kind>(terms.q, gamma);
    T slope = (terms.p - t[i]) * scale;
    if constexpr (kind != Gamma::zero) {
      const T inner = kind == Gamma::one ? T(1) : kind == Gamma::two ? T(2) * terms.q : gamma * scale / terms.q;
      slope += inner * (terms.p * terms.not_p) * (T(1) - T(2) * t[i]) * terms.entropy;
    }
    return incoming * terms.weight * slope;
  };
  if (step == 0) {
    const T incoming = *grads;
    for (int64_t i = 0; i < count; ++i) result[i] = one(i, incoming);
  } else {
    for (int64_t i = 0; i < count; ++i) result[i] = one(i, grad[i]);
  }
}

// Calls visit with gamma as a compile-time constant for the common value 2.
template <typename Visit>
void with_gamma(double gamma, const Visit& visit) {
  if (gamma == 0) return visit(std::integral_constant<Gamma, Gamma::zero>());
  if (gamma == 1) return visit(std::integral_constant<Gamma, Gamma::one>());
  if (gamma == 2) return visit(std::integral_constant<Gamma, Gamma::two>());
  visit(std::integral_constant<Gamma, Gamma::other>());
}

template <typename T>
void losses(const T* x, const T* t, int64_t count, FocalWeights weights, T* loss) {
  with_gamma(weights.gamma, [&](auto kind) { loss_of<kind()>(x, t, count, weights, loss); });
}

template <typename T>
double sum_of_losses(const T* x, const T* t, int64_t count, FocalWeights weights) {
  constexpr int64_t block = 512, lanes = 8;
  T loss[block];
  double sums[lanes] = {};
  for (int64_t start = 0; start < count; start += block) {
    const int64_t size = std::min(block, count - start);
    losses(x + start, t + start, size, weights, loss);
    std::fill(loss + size, loss + block, T(0));
    for (int64_t i = 0; i < block; i += lanes) {
      for (int64_t lane = 0; lane < lanes; ++lane) sums[lane] += loss[i + lane];
    }
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

template <typename T>
void gradients(const T* x, const T* t, const T* grad, int64_t step, int64_t count, FocalWeights weights, T* out) {
  with_gamma(weights.gamma, [&](auto kind) { gradient_of<kind()>(x, t, grad, step, count, weights, out); });
}

}  // namespace

void focal_loss_f32(const float* x, const float* t, int64_t count, FocalWeights weights, float* loss) {
  losses(x, t, count, weights, loss);
}

void focal_loss_f64(const double* x, const double* t, int64_t count, FocalWeights weights, double* loss) {
  losses(x, t, count, weights, loss);
}

double focal_loss_sum_f32(const float* x, const float* t, int64_t count, FocalWeights weights) {
  return sum_of_losses(x, t, count, weights);
}

double focal_loss_sum_f64(const double* x, const double* t, int64_t count, FocalWeights weights) {
  return sum_of_losses(x, t, count, weights);
}

void focal_gradient_f32(const float* x, const float* t, const float* grad, int64_t step, int64_t count,
                        FocalWeights weights, float* out) {
  gradients(x, t, grad, step, count, weights, out);
}

void focal_gradient_f64(const double* x, const double* t, const double* grad, int64_t step, int64_t count,
                        FocalWeights weights, double* out) {
  gradients(x, t, grad, step, count, weights, out);
}

}  // namespace detectory::DETECTORY_ISA
