#include "rle_kernel.h"

#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace detectory::DETECTORY_ISA {

namespace {

inline uint64_t bits_of_64(const uint8_t* bytes) {
#if defined(__AVX512BW__)
  const __m512i all = _mm512_loadu_si512(bytes);
  return _mm512_test_epi8_mask(all, all);
#elif defined(__AVX2__)
  const __m256i zero = _mm256_setzero_si256();
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 32));
  const uint64_t first = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, zero)));
  const uint64_t second = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, zero)));
  return ~(first | second << 32);
#elif defined(__SSE2__)
  uint64_t background = 0;
  for (int part = 0; part < 4; ++part) {
    const __m128i chunk = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 16 * part));
    const uint64_t bits = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(chunk, _mm_setzero_si128())));
    background |= bits << (16 * part);
  }
  return ~background;
#else
  uint64_t bits = 0;
  for (int i = 0; i < 64; ++i) bits |= uint64_t(bytes[i] != 0) << i;
  return bits;
#endif
}

}  // namespace

void pack_bits(const uint8_t* bytes, int64_t count, uint64_t* words) {
  int64_t k = 0;
  for (; k + 64 <= count; k += 64) *words++ = bits_of_64(bytes + k);
  if (k < count) {
    uint8_t rest[64] = {};
    std::memcpy(rest, bytes + k, count - k);
    *words = bits_of_64(rest);
  }
}

}  // namespace detectory::DETECTORY_ISA
