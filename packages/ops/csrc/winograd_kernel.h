// Winograd's convolution F(4x4, 3x3), after Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
// A patch of 6 x 6 pixels is transformed to 36 positions per channel; at each position, a matrix product over the
// channels is computed; the 36 results are transformed to 4 x 4 output pixels. This takes 36 instead of 144
// multiplications per channel.
#pragma once

#include <cstdint>

#include "elements.h"
#include "instruction_set.h"

namespace detectory {

constexpr int64_t kWinogradTile = 4;  // side of the output of a patch
constexpr int64_t kWinogradPositions = 36;
constexpr int64_t kWinogradChannels = 16;  // input channels per block
constexpr int64_t kWinogradPanel = 32;     // output channels per block

// A dense channels-last batch of maps. Tiles are numbered by image, then row-major.
struct WinogradMap {
  const void* data;   // (B, H, W, C)
  const void* zeros;  // C zeros of the same type, read instead of pixels outside the map
  Element element;    // f32 or bf16
  int64_t H, W, C, tiles_h, tiles_w;
};

// A range of tiles and the strides between positions. Patches are (36, C / 16, count, 16), products (36, panels, count,
// 32), with C and the output channels padded. The strides are padded to avoid cache set conflicts between positions.
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
