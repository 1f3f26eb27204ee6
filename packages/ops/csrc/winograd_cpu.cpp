#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "parallel.h"
#include "tensors.h"
#include "winograd_kernel.h"

namespace detectory {

namespace {

// Maximum number of tiles per run: small enough for patches and products to stay in cache, large enough to reuse each
// weight many times.
constexpr int64_t kMostTiles = 28;

int64_t divided_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

Tensor winograd_conv2d_cpu(const Tensor& input, const Tensor& weight, std::optional<Tensor> bias, int64_t out_channels,
                           bool relu) {
  const int64_t B = input.size(0), C = input.size(1), H = input.size(2), W = input.size(3);
  const ScalarType dtype = input.scalar_type();
  const WinogradRun whole{0, 0, divided_up(C, kWinogradChannels), divided_up(out_channels, kWinogradPanel)};
  STD_TORCH_CHECK(
      weight.numel() == kWinogradPositions * whole.panels * whole.channel_blocks * kWinogradChannels * kWinogradPanel,
      "winograd_conv2d: weight does not fit");
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::BFloat16, "winograd_conv2d: dtype");
  const Tensor rows = contiguous_as(torch::stable::permute(input, std::array<int64_t, 4>{0, 2, 3, 1}), dtype);
  const Tensor packed = contiguous_as(weight, ScalarType::Float);
  std::vector<float> zeros(C), offsets(whole.panels * kWinogradPanel);
  if (bias) {
    STD_TORCH_CHECK(bias->numel() == out_channels, "winograd_conv2d: bias does not fit");
    const Tensor dense = contiguous_as(*bias, ScalarType::Float);
    std::copy_n(dense.const_data_ptr<float>(), out_channels, offsets.begin());
  }
  const Tensor out = new_empty(input, {B, H, W, out_channels}, dtype);
  const WinogradMap map{rows.const_data_ptr(),
                        zeros.data(),
                        dtype == ScalarType::Float ? Element::f32 : Element::bf16,
                        H,
                        W,
                        C,
                        divided_up(H, kWinogradTile),
                        divided_up(W, kWinogradTile)};
  const int64_t tiles = B * map.tiles_h * map.tiles_w;
  // The same number of runs per thread, all of similar size.
  const int64_t threads = torch::stable::get_num_threads();
  const int64_t runs = divided_up(divided_up(tiles, kMostTiles), threads) * threads;
  const auto load = winograd_patches();
  const auto multiply = winograd_products();
  const auto finish = winograd_pixels();
  parallel_for(0, runs, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> patches, products;
    for (int64_t i = begin; i < end; ++i) {
      WinogradRun run = whole;
      run.first = i * tiles / runs, run.count = (i + 1) * tiles / runs - run.first;
      patches.resize(kWinogradPositions * run.patch_stride()),
          products.resize(kWinogradPositions * run.product_stride());
      load(map, run, patches.data());
      multiply(run, patches.data(), packed.const_data_ptr<float>(), products.data());
      finish(map, run, products.data(), offsets.data(), relu, out_channels, out.mutable_data_ptr());
    }
  });
  return torch::stable::permute(out, std::array<int64_t, 4>{0, 3, 1, 2});
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) { m.impl("winograd_conv2d", TORCH_BOX(&winograd_conv2d_cpu)); }

}  // namespace detectory
