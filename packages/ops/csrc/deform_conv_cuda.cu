// Deformable convolution on the GPU: im2col kernels write columns (B, C * K, OH * OW) for a few images at a time; torch
// computes the matrix products.
#include <algorithm>
#include <tuple>

#include "cuda_elements.h"
#include "cuda_launch.h"
#include "deform_shape.h"

namespace detectory {

inline namespace deform_conv_gpu {

constexpr int kThreads = 256;
constexpr int64_t kColumnBytes = int64_t(256) << 20;

// The four pixels around a sampling position with their bilinear weights, 0 outside the map.
template <typename T>
struct Sample {
  int pixel[4];
  T weight[4], valid[4];
  T fy, fx, mask;
  bool inside;

  __device__ Sample(const DeformShape& s, const T* offset, const T* masks, int64_t plane, int64_t k,
                    int64_t pixel_out) {
    const int64_t pixels = s.OH * s.OW, oh = pixel_out / s.OW, ow = pixel_out % s.OW;
    const T* own = offset + plane * 2 * pixels + pixel_out;
    const T y = T(oh * s.stride_h - s.pad_h + k / s.KW * s.dilation_h) + own[0];
    const T x = T(ow * s.stride_w - s.pad_w + k % s.KW * s.dilation_w) + own[pixels];
    mask = masks ? masks[plane * pixels + pixel_out] : T(1);
    inside = y > -1 && y < T(s.H) && x > -1 && x < T(s.W);
    if (!inside) return;
    const int top = int(floor(y)), left = int(floor(x));
    fy = y - T(top), fx = x - T(left);
    for (int corner = 0; corner < 4; ++corner) {
      const int row = top + corner / 2, column = left + corner % 2;
      const bool on_map = row >= 0 && row < s.H && column >= 0 && column < s.W;
      pixel[corner] = on_map ? row * int(s.W) + column : 0;
      valid[corner] = T(on_map);
      weight[corner] = on_map ? (corner / 2 ? fy : 1 - fy) * (corner % 2 ? fx : 1 - fx) : T(0);
    }
  }
};

// One thread per channel and output pixel of an image; loops over the taps.
template <typename T>
__global__ void columns_kernel(const T* __restrict__ input, const T* __restrict__ offset, const T* __restrict__ masks,
                               DeformShape s, int64_t total, T* __restrict__ columns) {
  const int64_t pixels = s.OH * s.OW, K = s.KH * s.KW, per_offset = s.C / s.offset_groups;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t pixel = i % pixels, c = i / pixels % s.C, b = i / (pixels * s.C);
    const T* plane = input + (b * s.C + c) * s.H * s.W;
    T* to = columns + (b * s.C + c) * K * pixels + pixel;
    for (int64_t k = 0; k < K; ++k) {
      const Sample<T> at(s, offset, masks, (b * s.offset_groups + c / per_offset) * K + k, k, pixel);
      T sum = 0;
      if (at.inside) {
        for (int corner = 0; corner < 4; ++corner) sum += at.weight[corner] * plane[at.pixel[corner]];
      }
      to[k * pixels] = sum * at.mask;
    }
  }
}

// One thread per tap of an offset group and output pixel; loops over the channels of the group.
template <typename T>
__global__ void offset_grads_kernel(const T* __restrict__ input, const T* __restrict__ offset,
                                    const T* __restrict__ masks, const T* __restrict__ column_grads, DeformShape s,
                                    int64_t total, T* __restrict__ offset_grad, T* __restrict__ mask_grad) {
  const int64_t pixels = s.OH * s.OW, K = s.KH * s.KW, per_offset = s.C / s.offset_groups;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t pixel = i % pixels, plane = i / pixels, k = plane % K;
    const int64_t group = plane / K % s.offset_groups, b = plane / (K * s.offset_groups);
    const Sample<T> at(s, offset, masks, plane, k, pixel);
    T sums[4] = {0, 0, 0, 0};
    T grad_y = 0, grad_x = 0, grad_mask = 0;
    if (at.inside) {
      for (int64_t c = group * per_offset; c < (group + 1) * per_offset; ++c) {
        const T grad = column_grads[((b * s.C + c) * K + k) * pixels + pixel];
        const T* from = input + (b * s.C + c) * s.H * s.W;
        for (int corner = 0; corner < 4; ++corner) sums[corner] += grad * from[at.pixel[corner]];
      }
      for (int corner = 0; corner < 4; ++corner) {
        sums[corner] *= at.valid[corner];
        grad_mask += at.weight[corner] * sums[corner];
      }
      grad_y = at.mask * ((1 - at.fx) * (sums[2] - sums[0]) + at.fx * (sums[3] - sums[1]));
      grad_x = at.mask * ((1 - at.fy) * (sums[1] - sums[0]) + at.fy * (sums[3] - sums[2]));
    }
    offset_grad[plane * 2 * pixels + pixel] = grad_y;
    offset_grad[(plane * 2 + 1) * pixels + pixel] = grad_x;
    if (mask_grad) mask_grad[plane * pixels + pixel] = grad_mask;
  }
}

template <typename T>
__global__ void input_grads_kernel(const T* __restrict__ offset, const T* __restrict__ masks,
                                   const T* __restrict__ column_grads, DeformShape s, int64_t total, T* input_grad) {
  const int64_t pixels = s.OH * s.OW, K = s.KH * s.KW, per_offset = s.C / s.offset_groups;
  for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < total; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t pixel = i % pixels, k = i / pixels % K, c = i / (pixels * K) % s.C, b = i / (pixels * K * s.C);
    const Sample<T> at(s, offset, masks, (b * s.offset_groups + c / per_offset) * K + k, k, pixel);
    if (!at.inside) continue;
    const T grad = column_grads[i] * at.mask;
    T* to = input_grad + (b * s.C + c) * s.H * s.W;
    for (int corner = 0; corner < 4; ++corner) {
      if (at.valid[corner] != 0) atomicAdd(to + at.pixel[corner], at.weight[corner] * grad);
    }
  }
}

Tensor reshaped(const Tensor& tensor, std::initializer_list<int64_t> shape) {
  return torch::stable::reshape(tensor, {shape.begin(), shape.size()});
}

Tensor some_images(Tensor tensor, int64_t first, int64_t count) {
  return torch::stable::narrow(tensor, 0, first, count);
}

// The tensors of one call, converted to the compute type.
template <typename T>
struct Operands {
  Tensor input, offset, weight;
  std::optional<Tensor> mask;
  DeformShape shape;
  ScalarType dtype;

  Operands(const Tensor& input, const Tensor& offset, const Tensor& weight, const std::optional<Tensor>& mask,
           const DeformShape& shape, ScalarType dtype)
      : input(contiguous_as(input, dtype)),
        offset(contiguous_as(offset, dtype)),
        weight(reshaped(contiguous_as(weight, dtype),
                        {shape.groups, shape.OC / shape.groups, shape.C / shape.groups * shape.K()})),
        shape(shape),
        dtype(dtype) {
    if (mask) this->mask = contiguous_as(*mask, dtype);
  }

  int64_t images_at_a_time() const {
    const int64_t bytes = shape.C * shape.K() * shape.pixels() * int64_t(sizeof(T));
    return std::clamp<int64_t>(kColumnBytes / std::max<int64_t>(bytes, 1), 1, std::max<int64_t>(shape.B, 1));
  }

  const T* input_at(int64_t b) const { return input.const_data_ptr<T>() + b * shape.C * shape.H * shape.W; }
  const T* offset_at(int64_t b) const { return offset.const_data_ptr<T>() + b * offset.size(1) * shape.pixels(); }
  const T* mask_at(int64_t b) const {
    return mask ? mask->const_data_ptr<T>() + b * mask->size(1) * shape.pixels() : nullptr;
  }

  // (count, groups, C / groups * K, pixels)
  Tensor columns(int64_t b, int64_t count) const {
    const Tensor out =
        new_empty(input, {count, shape.groups, shape.C / shape.groups * shape.K(), shape.pixels()}, dtype);
    const int64_t total = count * shape.C * shape.pixels();
    columns_kernel<T><<<unsigned(blocks_for(total, kThreads)), kThreads, 0, current_stream(input)>>>(
        input_at(b), offset_at(b), mask_at(b), shape, total, out.mutable_data_ptr<T>());
    check_launch("deform_conv2d");
    return out;
  }
};

template <typename T>
Tensor forward(const Operands<T>& o) {
  const DeformShape& s = o.shape;
  const Tensor out = new_empty(o.input, {s.B, s.OC, s.OH, s.OW}, o.dtype);
  if (out.numel() == 0) return out;
  const int64_t step = o.images_at_a_time();
  for (int64_t b = 0; b < s.B; b += step) {
    const int64_t count = std::min(step, s.B - b);
    const Tensor part = torch::stable::matmul(o.weight, o.columns(b, count));
    Tensor to = some_images(out, b, count);
    torch::stable::copy_(to, reshaped(part, {count, s.OC, s.OH, s.OW}));
  }
  return out;
}

template <typename T>
std::tuple<Tensor, Tensor, Tensor, Tensor> backward(const Operands<T>& o, const Tensor& grad) {
  const DeformShape& s = o.shape;
  const int64_t planes = s.offset_groups * s.K();
  const Tensor out_grad = contiguous_as(grad, o.dtype);
  const Tensor input_grad = new_zeros(o.input, {s.B, s.C, s.H, s.W}, o.dtype);
  const Tensor offset_grad = new_zeros(o.input, {s.B, 2 * planes, s.OH, s.OW}, o.dtype);
  const Tensor mask_grad = new_zeros(o.input, {o.mask ? s.B : 0, planes, s.OH, s.OW}, o.dtype);
  Tensor weight_grad = new_zeros(o.input, {s.groups, s.OC / s.groups, s.C / s.groups * s.K()}, o.dtype);
  const int64_t step = o.images_at_a_time();
  for (int64_t b = 0; b < s.B && out_grad.numel() > 0; b += step) {
    const int64_t count = std::min(step, s.B - b);
    const Tensor own = reshaped(some_images(out_grad, b, count), {count, s.groups, s.OC / s.groups, s.pixels()});
    const Tensor column_grads = torch::stable::matmul(torch::stable::transpose(o.weight, 1, 2), own);
    const Tensor products = torch::stable::matmul(own, torch::stable::transpose(o.columns(b, count), 2, 3));
    const int64_t over_images[] = {0};
    // The stable ABI does not provide add, but subtract with a factor.
    weight_grad = torch::stable::subtract(
        weight_grad, torch::stable::sum(products, torch::headeronly::IntHeaderOnlyArrayRef(over_images, 1)), -1.0);
    const Tensor grads = torch::stable::contiguous(column_grads);
    const cudaStream_t stream = current_stream(grads);
    const int64_t taps = count * planes * s.pixels(), numbers = count * s.C * s.K() * s.pixels();
    offset_grads_kernel<T><<<unsigned(blocks_for(taps, kThreads)), kThreads, 0, stream>>>(
        o.input_at(b), o.offset_at(b), o.mask_at(b), grads.const_data_ptr<T>(), s, taps,
        offset_grad.mutable_data_ptr<T>() + b * 2 * planes * s.pixels(),
        o.mask ? mask_grad.mutable_data_ptr<T>() + b * planes * s.pixels() : nullptr);
    check_launch("deform_conv2d offset gradients");
    input_grads_kernel<T><<<unsigned(blocks_for(numbers, kThreads)), kThreads, 0, stream>>>(
        o.offset_at(b), o.mask_at(b), grads.const_data_ptr<T>(), s, numbers,
        input_grad.mutable_data_ptr<T>() + b * s.C * s.H * s.W);
    check_launch("deform_conv2d input gradients");
  }
  return {input_grad, offset_grad, reshaped(weight_grad, {s.OC, s.C / s.groups, s.KH, s.KW}), mask_grad};
}

Tensor deform_conv2d_cuda(const Tensor& input, const Tensor& offset, const Tensor& weight, std::optional<Tensor> mask,
                          int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w, int64_t dilation_h,
                          int64_t dilation_w) {
  const torch::stable::accelerator::DeviceGuard guard(input.get_device_index());
  const DeformShape shape(input, offset, weight, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w);
  const ScalarType own = input.scalar_type(), dtype = computed_in(own);
  const Tensor out = dtype == ScalarType::Double ? forward(Operands<double>(input, offset, weight, mask, shape, dtype))
                                                 : forward(Operands<float>(input, offset, weight, mask, shape, dtype));
  return dtype == own ? out : torch::stable::to(out, own);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> deform_conv2d_backward_cuda(const Tensor& grad, const Tensor& input,
                                                                       const Tensor& offset, const Tensor& weight,
                                                                       std::optional<Tensor> mask, int64_t stride_h,
                                                                       int64_t stride_w, int64_t pad_h, int64_t pad_w,
                                                                       int64_t dilation_h, int64_t dilation_w) {
  const torch::stable::accelerator::DeviceGuard guard(input.get_device_index());
  const DeformShape shape(input, offset, weight, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w);
  const ScalarType own = input.scalar_type(), dtype = computed_in(own);
  auto grads = dtype == ScalarType::Double ? backward(Operands<double>(input, offset, weight, mask, shape, dtype), grad)
                                           : backward(Operands<float>(input, offset, weight, mask, shape, dtype), grad);
  if (dtype == own) return grads;
  auto& [a, b, c, d] = grads;
  return {torch::stable::to(a, own), torch::stable::to(b, own), torch::stable::to(c, own), torch::stable::to(d, own)};
}

}  // namespace deform_conv_gpu

STABLE_TORCH_LIBRARY_IMPL(detectory, CUDA, m) {
  m.impl("deform_conv2d", TORCH_BOX(&deform_conv2d_cuda));
  m.impl("deform_conv2d_backward", TORCH_BOX(&deform_conv2d_backward_cuda));
}

}  // namespace detectory
