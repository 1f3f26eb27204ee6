#include "cuda_launch.h"

namespace detectory {

inline namespace roi_masks_gpu {

constexpr int kThreads = 256, kPixels = 4;

// The position of a pixel centre on a mask axis. The expressions are those of the CPU, without contraction to fused
// multiply-adds, so that both set the same pixels.
struct Place {
  int cell;  // the preceding cell; -1 for the zero border
  float lower, upper;
  bool inside;
};

__device__ inline Place place_of(int64_t pixel, float low, float high, int64_t size) {
  const float length = __fsub_rn(high, low);
  const float centre = __fsub_rn(__fmul_rn(__fdiv_rn(__fsub_rn(pixel + 0.5f, low), length), 2.0f), 1.0f);
  const float position = __fsub_rn(__fmul_rn(__fadd_rn(centre, 1.0f), size / 2.0f), 0.5f);
  const bool inside = high > low && isfinite(length) && position > -1.0f && position < float(size);
  const float cell = inside ? floorf(position) : 0.0f, upper = inside ? __fsub_rn(position, cell) : 0.0f;
  return {int(cell), __fsub_rn(1.0f, upper), upper, inside};
}

__device__ inline float cell_value(const float* mask, int64_t h, int64_t w, int y, int x) {
  return y >= 0 && y < h && x >= 0 && x < w ? mask[y * w + x] : 0.0f;
}

__device__ inline float blend(const Place& place, float before, float after) {
  return __fadd_rn(__fmul_rn(place.lower, before), __fmul_rn(place.upper, after));
}

__device__ inline float pixel_value(const float* mask, int64_t h, int64_t w, const Place& y, const Place& x) {
  const float above = blend(x, cell_value(mask, h, w, y.cell, x.cell), cell_value(mask, h, w, y.cell, x.cell + 1));
  const float below =
      blend(x, cell_value(mask, h, w, y.cell + 1, x.cell), cell_value(mask, h, w, y.cell + 1, x.cell + 1));
  return blend(y, above, below);
}

// One thread per kPixels consecutive pixels of a row; the rows of all masks are concatenated.
template <bool soft>
__global__ void paste_kernel(const float* __restrict__ masks, const float* __restrict__ boxes, int64_t rows, int64_t h,
                             int64_t w, int64_t height, int64_t width, float threshold, uint8_t* __restrict__ out) {
  const int64_t groups = (width + kPixels - 1) / kPixels, total = rows * groups;
  const uint8_t outside = !soft && 0.0f >= threshold;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t row = i / groups, n = row / height, first = i % groups * kPixels;
    const float *box = boxes + 4 * n, *mask = masks + n * h * w;
    const Place y = place_of(row % height, box[1], box[3], h);
    for (int64_t x = first; x < min(first + kPixels, width); ++x) {
      uint8_t pixel = outside;
      const Place place = place_of(x, box[0], box[2], w);
      if (y.inside && place.inside) {
        const float value = pixel_value(mask, h, w, y, place);
        // fmaxf and fminf return the other operand if one is NaN, so that NaN becomes 0.
        pixel = soft ? uint8_t(fminf(fmaxf(__fmul_rn(value, 255.0f), 0.0f), 255.0f)) : uint8_t(value >= threshold);
      }
      out[row * width + x] = pixel;
    }
  }
}

Tensor paste_masks_cuda(const Tensor& masks, const Tensor& boxes, int64_t height, int64_t width, double threshold) {
  const torch::stable::accelerator::DeviceGuard guard(masks.get_device_index());
  const Tensor values = contiguous_as(masks, ScalarType::Float), corners = contiguous_as(boxes, ScalarType::Float);
  const int64_t N = values.size(0), h = values.size(1), w = values.size(2);
  STD_TORCH_CHECK(corners.dim() == 2 && corners.size(0) == N && corners.size(1) == 4, "boxes must be (N, 4)");
  STD_TORCH_CHECK(height >= 0 && width >= 0, "the image's size must not be negative");
  const bool soft = threshold < 0;
  Tensor out = new_empty(values, {N, height, width}, soft ? ScalarType::Byte : ScalarType::Bool);
  if (N * height * width == 0) return out;
  const auto kernel = soft ? paste_kernel<true> : paste_kernel<false>;
  const int64_t blocks = blocks_for(N * height * ((width + kPixels - 1) / kPixels), kThreads);
  kernel<<<blocks, kThreads, 0, current_stream(out)>>>(values.const_data_ptr<float>(), corners.const_data_ptr<float>(),
                                                       N * height, h, w, height, width, static_cast<float>(threshold),
                                                       static_cast<uint8_t*>(out.mutable_data_ptr()));
  check_launch("paste_masks");
  return out;
}

}  // namespace roi_masks_gpu

STABLE_TORCH_LIBRARY_IMPL(detectory, CUDA, m) { m.impl("paste_masks", TORCH_BOX(&paste_masks_cuda)); }

}  // namespace detectory
