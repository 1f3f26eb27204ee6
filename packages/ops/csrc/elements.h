// Conversion of element types: kernels compute in float or double and convert half types on load and store.
#pragma once

#include <cstdint>
#include <cstring>

namespace detectory {

enum class Element { f32, f64, f16, bf16 };

struct Half {
  uint16_t bits;
};

struct BFloat16 {
  uint16_t bits;
};

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline float number(float value) { return value; }
inline double number(double value) { return value; }
inline float number(BFloat16 value) { return float_of(uint32_t(value.bits) << 16); }

// Branch-free half to float: shifts exponent and mantissa into place and rebiases the exponent by a multiplication.
// Subnormals are obtained by adding a constant to the low mantissa bits and subtracting it again. Both are computed and
// one is selected, so that the loop vectorises.
inline float number(Half value) {
  const uint32_t shifted = uint32_t(value.bits) << 16;
  const uint32_t sign = shifted & 0x80000000u, twice = shifted + shifted;
  const float normal = float_of((twice >> 4) + (0xe0u << 23)) * 0x1.0p-112f;
  const float subnormal = float_of((twice >> 17) | (126u << 23)) - 0.5f;
  const float magnitude = twice < (1u << 27) ? subnormal : normal;
  uint32_t bits;
  std::memcpy(&bits, &magnitude, sizeof bits);
  return float_of(bits | sign);
}

}  // namespace detectory
