// Winograd's convolution F(4 x 4, 3 x 3): a patch of 6 x 6 pixels becomes 36 numbers a channel, each of these positions
// is a matrix product over the channels, and 36 sums become 4 x 4 output pixels: 36 products in the place of 144.
#pragma once

#include <cstdint>

#include "elements.h"
#include "instruction_set.h"

namespace detectory {

constexpr int64_t kWinogradTile = 4;  // side of what a patch gives
constexpr int64_t kWinogradPositions = 36;
constexpr int64_t kWinogradChannels = 16;  // input channels that lie together
constexpr int64_t kWinogradPanel = 32;     // output channels that lie together

// A batch of maps, channel innermost, without gaps. Tiles are counted row by row, image after image.
struct WinogradMap {
  const void* data;   // (B, H, W, C)
  const void* zeros;  // C zeros of the same type, read in the place of pixels outside
  Element element;    // f32 or bf16
  int64_t H, W, C, tiles_h, tiles_w;
};

// A run of tiles and the distance of its positions. Patches are (36, C / 16, count, 16), products (36, panels, count,
// 32), C and the output channels rounded up; the distances leave room between positions, which would share cache sets.
struct WinogradRun {
  int64_t first, count, channel_blocks, panels;
  int64_t patch_stride() const { return (channel_blocks * count + 1) * kWinogradChannels; }
  int64_t product_stride() const { return panels * count * kWinogradPanel + kWinogradChannels; }
};

DETECTORY_KERNEL(winograd_patches, void(const WinogradMap&, const WinogradRun&, float* patches))

// weight (36, panels, C / 16 * 16, 32).
DETECTORY_KERNEL(winograd_products,
                 void(const WinogradRun&, const float* patches, const float* weight, float* products))

// out (B, H, W, OC) of the map's type; bias (panels * 32).
DETECTORY_KERNEL(winograd_pixels, void(const WinogradMap&, const WinogradRun&, const float* products, const float* bias,
                                       bool relu, int64_t out_channels, void* out))

}  // namespace detectory
