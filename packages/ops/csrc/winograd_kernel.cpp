#include "winograd_kernel.h"

#include "vec.h"

namespace detectory::DETECTORY_ISA {

namespace {

using V = Vec<float>;
constexpr int64_t kStep = kLanes<float>;

// Position of a tile: its image and the output pixel at its upper left.
struct Place {
  int64_t image, y, x;
};

inline Place place_of(const WinogradMap& map, int64_t tile) {
  const int64_t in_image = tile % (map.tiles_h * map.tiles_w);
  return {tile / (map.tiles_h * map.tiles_w), in_image / map.tiles_w * kWinogradTile,
          in_image % map.tiles_w * kWinogradTile};
}

// One-dimensional transforms of F(4, 3) (Lavin and Gray, 2016, section 4.3), applied to numbers `stride` apart.
inline void to_frequencies(const V* d, int stride, V* out, int out_stride) {
  const V d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride], d5 = d[5 * stride];
  const V a = d4 - 4.f * d2, b = d3 - 4.f * d1, c = d4 - d2, e = 2.f * (d3 - d1);
  out[0] = 4.f * d0 - 5.f * d2 + d4;
  out[out_stride] = a + b;
  out[2 * out_stride] = a - b;
  out[3 * out_stride] = c + e;
  out[4 * out_stride] = c - e;
  out[5 * out_stride] = 4.f * d1 - 5.f * d3 + d5;
}

inline void to_pixels(const V* m, int stride, V* out, int out_stride) {
  const V m0 = m[0], m1 = m[stride], m2 = m[2 * stride], m3 = m[3 * stride], m4 = m[4 * stride], m5 = m[5 * stride];
  const V s = m1 + m2, d = m1 - m2, t = m3 + m4, e = m3 - m4;
  out[0] = m0 + s + t;
  out[out_stride] = d + 2.f * e;
  out[2 * out_stride] = s + 4.f * t;
  out[3 * out_stride] = d + 8.f * e + m5;
}

inline void write(float* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

// Rounds to nearest, ties to even; propagates NaN.
inline void write(BFloat16* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, from + i, sizeof bits);
    const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    to[i].bits = uint16_t((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
  }
}

template <typename E>
void patches(const WinogradMap& map, const WinogradRun& run, float* out) {
  const E *data = static_cast<const E*>(map.data), *zeros = static_cast<const E*>(map.zeros);
  for (int64_t t = 0; t < run.count; ++t) {
    const Place at = place_of(map, run.first + t);
    const E* pixels[kWinogradPositions];
    for (int64_t i = 0; i < kWinogradPositions; ++i) {
      const int64_t y = at.y - 1 + i / 6, x = at.x - 1 + i % 6;
      const bool inside = y >= 0 && y < map.H && x >= 0 && x < map.W;
      pixels[i] = inside ? data + ((at.image * map.H + y) * map.W + x) * map.C : zeros;
    }
    for (int64_t block = 0; block < run.channel_blocks; ++block) {
      const int64_t c = block * kWinogradChannels;
      const int64_t count = map.C - c < kWinogradChannels ? map.C - c : kWinogradChannels;
      float* to = out + (block * run.count + t) * kWinogradChannels;
      float numbers[kWinogradPositions][kWinogradChannels] = {};
      const bool direct = sizeof(E) == sizeof(float) && count == kWinogradChannels;
      if (!direct) {
        for (int64_t i = 0; i < kWinogradPositions; ++i) {
          for (int64_t j = 0; j < count; ++j) numbers[i][j] = number(pixels[i][c + j]);
        }
      }
      for (int64_t j = 0; j < kWinogradChannels; j += kStep) {
        V d[kWinogradPositions], half[kWinogradPositions];
        for (int64_t i = 0; i < kWinogradPositions; ++i) {
          d[i] = load(direct ? reinterpret_cast<const float*>(pixels[i]) + c + j : numbers[i] + j);
        }
        for (int x = 0; x < 6; ++x) to_frequencies(d + x, 6, half + x, 6);
        for (int y = 0; y < 6; ++y) to_frequencies(half + 6 * y, 1, d + 6 * y, 1);
        for (int64_t i = 0; i < kWinogradPositions; ++i) store<float>(to + i * run.patch_stride() + j, d[i]);
      }
    }
  }
}

// The accumulators of `rows` tiles and two vectors of output channels stay in registers over all input channels.
template <int rows>
void multiply(const float* patches, int64_t block_stride, int64_t channel_blocks, const float* weight, float* out) {
  V sums[rows][2] = {};
  for (int64_t block = 0; block < channel_blocks; ++block, patches += block_stride) {
    for (int64_t c = 0; c < kWinogradChannels; ++c, weight += kWinogradPanel) {
      const V low = load(weight), high = load(weight + kStep);
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) {
        const float value = patches[r * kWinogradChannels + c];
        sums[r][0] += value * low;
        sums[r][1] += value * high;
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
    store<float>(out + r * kWinogradPanel, sums[r][0]);
    store<float>(out + r * kWinogradPanel + kStep, sums[r][1]);
  }
}

// The largest number of rows with all accumulators in registers.
constexpr int kRows = sizeof(V) == 64 ? 14 : 6;

template <int rows>
void multiply_rows(int64_t count, const float* patches, int64_t block_stride, int64_t channel_blocks,
                   const float* weight, float* out) {
  if constexpr (rows > 0) {
    if (count < rows) return multiply_rows<rows - 1>(count, patches, block_stride, channel_blocks, weight, out);
    multiply<rows>(patches, block_stride, channel_blocks, weight, out);
  }
}

template <typename E>
void pixels(const WinogradMap& map, const WinogradRun& run, const float* products, const float* bias, bool relu,
            int64_t out_channels, E* out) {
  for (int64_t t = 0; t < run.count; ++t) {
    const Place at = place_of(map, run.first + t);
    E* corner = out + ((at.image * map.H + at.y) * map.W + at.x) * out_channels;
    const int64_t height = map.H - at.y < kWinogradTile ? map.H - at.y : kWinogradTile;
    const int64_t width = map.W - at.x < kWinogradTile ? map.W - at.x : kWinogradTile;
    for (int64_t o = 0; o < out_channels; o += kStep) {
      const int64_t count = out_channels - o < kStep ? out_channels - o : kStep;
      const float* from = products + (o / kWinogradPanel * run.count + t) * kWinogradPanel + o % kWinogradPanel;
      V m[kWinogradPositions], half[4 * 6], result[4 * 4];
      for (int64_t i = 0; i < kWinogradPositions; ++i) m[i] = load(from + i * run.product_stride());
      for (int x = 0; x < 6; ++x) to_pixels(m + x, 6, half + x, 6);
      for (int y = 0; y < 4; ++y) to_pixels(half + 6 * y, 1, result + 4 * y, 1);
      const V offset = load(bias + o), least = V{} + (relu ? 0.f : -__builtin_inff());
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          V value = result[4 * y + x] + offset;
          value = value < least ? least : value;  // the comparison propagates NaN
          float numbers[kStep];
          store<float>(numbers, value);
          E* to = corner + (y * map.W + x) * out_channels + o;
          if (count == kStep) {
            write(to, numbers, kStep);
          } else {
            write(to, numbers, count);
          }
        }
      }
    }
  }
}

}  // namespace

void winograd_patches(const WinogradMap& map, const WinogradRun& run, float* out) {
  return map.element == Element::bf16 ? patches<BFloat16>(map, run, out) : patches<float>(map, run, out);
}

void winograd_products(const WinogradRun& run, const float* patches, const float* weight, float* products) {
  const int64_t panel_size = run.channel_blocks * kWinogradChannels * kWinogradPanel;
  const int64_t block_stride = run.count * kWinogradChannels;
  for (int64_t i = 0; i < kWinogradPositions; ++i) {
    const float* own = patches + i * run.patch_stride();
    for (int64_t panel = 0; panel < run.panels; ++panel, weight += panel_size) {
      float* to = products + i * run.product_stride() + panel * run.count * kWinogradPanel;
      for (int64_t t = 0; t < run.count; t += kRows) {
        for (int64_t o = 0; o < kWinogradPanel; o += 2 * kStep) {
          multiply_rows<kRows>(run.count - t, own + t * kWinogradChannels, block_stride, run.channel_blocks, weight + o,
                               to + t * kWinogradPanel + o);
        }
      }
    }
  }
}

void winograd_pixels(const WinogradMap& map, const WinogradRun& run, const float* products, const float* bias,
                     bool relu, int64_t out_channels, void* out) {
  if (map.element == Element::bf16) {
    return pixels(map, run, products, bias, relu, out_channels, static_cast<BFloat16*>(out));
  }
  return pixels(map, run, products, bias, relu, out_channels, static_cast<float*>(out));
}

}  // namespace detectory::DETECTORY_ISA
