// Deformable convolution as im2col plus matrix product, a few thousand output pixels at a time, so that the columns
// stay in cache. Images are first converted to channels-last, so that each tap reads contiguous vectors.
#include <algorithm>
#include <tuple>
#include <vector>

#include "channel_blocks_kernel.h"
#include "deform_conv_kernel.h"
#include "deform_shape.h"
#include "parallel.h"

namespace detectory {

namespace {

template <typename T>
struct Kernels {
  void (*transpose)(const T*, int64_t, int64_t, int64_t, T*, int64_t);
  void (*columns)(const DeformImage<T>&, PixelRun, int64_t, int64_t, T*);
  void (*offset_grads)(const DeformImage<T>&, PixelRun, int64_t, int64_t, const T*, T*, T*);
  void (*image_grads)(const DeformImage<T>&, PixelRun, int64_t, int64_t, const T*, T*);
};

template <typename T>
Kernels<T> kernels();

template <>
Kernels<float> kernels() {
  return {transpose_f32(), deform_columns_f32(), deform_offset_grads_f32(), deform_image_grads_f32()};
}

template <>
Kernels<double> kernels() {
  return {transpose_f64(), deform_columns_f64(), deform_offset_grads_f64(), deform_image_grads_f64()};
}

constexpr int64_t kColumnBytes = 8 << 20;

template <typename T>
class Convolution {
 public:
  Convolution(const Tensor& input, const Tensor& offset, const Tensor& weight, const std::optional<Tensor>& mask,
              const DeformShape& shape, ScalarType dtype)
      : s_(shape),
        dtype_(dtype),
        run_(kernels<T>()),
        input_(contiguous_as(input, dtype)),
        offset_(contiguous_as(offset, dtype)),
        // (OC, K, C / groups), the order of the columns.
        weight_(torch::stable::contiguous(
            torch::stable::permute(contiguous_as(weight, dtype), std::array<int64_t, 4>{0, 2, 3, 1}))),
        chunk_(std::clamp<int64_t>(kColumnBytes / int64_t(sizeof(T)) / std::max<int64_t>(1, s_.K() * s_.C), 64,
                                   std::max<int64_t>(64, s_.pixels()))),
        image_(new_empty(input_, {s_.H * s_.W, s_.C}, dtype)),
        columns_(new_empty(input_, {chunk_ * s_.K() * s_.C}, dtype)) {
    if (mask) mask_ = contiguous_as(*mask, dtype);
  }

  Tensor forward() {
    const Tensor out = new_empty(input_, {s_.B, s_.OC, s_.OH, s_.OW}, dtype_);
    for (int64_t b = 0; b < s_.B; ++b) {
      const DeformImage<T> image = load(b);
      each_run([&](PixelRun run) {
        fill_columns(image, run);
        for (int64_t g = 0; g < s_.groups; ++g) {
          matmul_into(of_group(out, b, g, run), weight_of(g), columns_of(g, run, columns_, true));
        }
      });
    }
    return out;
  }

  std::tuple<Tensor, Tensor, Tensor, Tensor> backward(const Tensor& grad) {
    const Tensor out_grad = contiguous_as(grad, dtype_);
    const Tensor input_grad = new_empty(input_, {s_.B, s_.C, s_.H, s_.W}, dtype_);
    const Tensor offset_grad = new_empty(offset_, {s_.B, offset_.size(1), s_.OH, s_.OW}, dtype_);
    const Tensor mask_grad = new_empty(input_, {mask_ ? s_.B : 0, offset_.size(1) / 2, s_.OH, s_.OW}, dtype_);
    const Tensor weight_grad = new_zeros(input_, {s_.OC, s_.KH, s_.KW, per_group()}, dtype_);
    const Tensor part = new_empty(input_, {s_.OC / s_.groups, s_.K() * per_group()}, dtype_);
    const Tensor column_grads = new_empty(input_, {chunk_ * s_.K() * s_.C}, dtype_);
    std::vector<T> image_grad(s_.H * s_.W * s_.C);
    for (int64_t b = 0; b < s_.B; ++b) {
      const DeformImage<T> image = load(b);
      std::fill(image_grad.begin(), image_grad.end(), T(0));
      T* offsets = offset_grad.mutable_data_ptr<T>() + b * offset_.size(1) * s_.pixels();
      T* masks = mask_ ? mask_grad.mutable_data_ptr<T>() + b * offset_.size(1) / 2 * s_.pixels() : nullptr;
      each_run([&](PixelRun run) {
        fill_columns(image, run);
        for (int64_t g = 0; g < s_.groups; ++g) {
          const Tensor own = of_group(out_grad, b, g, run);
          matmul_into(part, own, columns_of(g, run, columns_, false));
          add(part, weight_grad.mutable_data_ptr<T>() + g * part.numel());
          const Tensor turned = matrix_view(out_grad, place(b, g, run), run.count, s_.OC / s_.groups, 1, s_.pixels());
          matmul_into(columns_of(g, run, column_grads, false), turned, weight_of(g));
        }
        const T* grads = column_grads.template const_data_ptr<T>();
        parallel_for(0, run.count, 16, [&](int64_t begin, int64_t end) {
          run_.offset_grads(image, run, begin, end, grads, offsets, masks);
        });
        // Each thread owns a range of channels: no data races, and a fixed order of summation.
        parallel_for(0, (s_.C + 31) / 32, 1, [&](int64_t begin, int64_t end) {
          run_.image_grads(image, run, begin * 32, std::min(end * 32, s_.C), grads, image_grad.data());
        });
      });
      T* to = input_grad.mutable_data_ptr<T>() + b * s_.C * s_.H * s_.W;
      run_.transpose(image_grad.data(), s_.C, s_.H * s_.W, s_.C, to, s_.H * s_.W);
    }
    const Tensor turned = torch::stable::permute(weight_grad, std::array<int64_t, 4>{0, 3, 1, 2});
    return {input_grad, offset_grad, torch::stable::contiguous(turned), mask_grad};
  }

 private:
  int64_t per_group() const { return s_.C / s_.groups; }

  DeformImage<T> load(int64_t b) {
    const T* from = input_.const_data_ptr<T>() + b * s_.C * s_.H * s_.W;
    T* to = image_.mutable_data_ptr<T>();
    parallel_for(0, s_.H, std::max<int64_t>(1, 8192 / (s_.W * s_.C)), [&](int64_t begin, int64_t end) {
      const int64_t first = begin * s_.W, count = (end - begin) * s_.W;
      run_.transpose(from + first, s_.H * s_.W, s_.C, count, to + first * s_.C, s_.C);
    });
    const int64_t planes = offset_.size(1) * s_.pixels();
    return {to,
            offset_.const_data_ptr<T>() + b * planes,
            mask_ ? mask_->const_data_ptr<T>() + b * planes / 2 : nullptr,
            s_.C,
            s_.H,
            s_.W,
            s_.KH,
            s_.KW,
            s_.OH,
            s_.OW,
            s_.groups,
            s_.offset_groups,
            s_.stride_h,
            s_.stride_w,
            s_.pad_h,
            s_.pad_w,
            s_.dilation_h,
            s_.dilation_w};
  }

  template <typename Body>
  void each_run(const Body& body) const {
    for (int64_t first = 0; first < s_.pixels(); first += chunk_) body({first, std::min(chunk_, s_.pixels() - first)});
  }

  void fill_columns(const DeformImage<T>& image, PixelRun run) {
    T* to = columns_.mutable_data_ptr<T>();
    parallel_for(0, run.count, 16, [&](int64_t begin, int64_t end) { run_.columns(image, run, begin, end, to); });
  }

  int64_t place(int64_t b, int64_t g, PixelRun run) const {
    return (b * s_.OC + g * (s_.OC / s_.groups)) * s_.pixels() + run.first;
  }

  // (OC / groups, run) of an output.
  Tensor of_group(const Tensor& out, int64_t b, int64_t g, PixelRun run) const {
    return matrix_view(out, place(b, g, run), s_.OC / s_.groups, run.count, s_.pixels());
  }

  // (OC / groups, K * C / groups).
  Tensor weight_of(int64_t g) const {
    const int64_t rows = s_.OC / s_.groups, width = s_.K() * per_group();
    return matrix_view(weight_, g * rows * width, rows, width, width);
  }

  // (run, K * C / groups), or transposed.
  Tensor columns_of(int64_t g, PixelRun run, const Tensor& columns, bool turned) const {
    const int64_t width = s_.K() * per_group(), offset = g * run.count * width;
    return turned ? matrix_view(columns, offset, width, run.count, 1, width)
                  : matrix_view(columns, offset, run.count, width, width);
  }

  static void add(const Tensor& part, T* to) {
    const T* from = part.const_data_ptr<T>();
    parallel_for(0, part.numel(), 16384, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] += from[i];
    });
  }

  const DeformShape s_;
  ScalarType dtype_;
  Kernels<T> run_;
  Tensor input_, offset_, weight_;
  std::optional<Tensor> mask_;
  int64_t chunk_;
  Tensor image_, columns_;
};

ScalarType computed_in(ScalarType dtype) { return dtype == ScalarType::Double ? dtype : ScalarType::Float; }

Tensor deform_conv2d_cpu(const Tensor& input, const Tensor& offset, const Tensor& weight, std::optional<Tensor> mask,
                         int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w, int64_t dilation_h,
                         int64_t dilation_w) {
  const DeformShape shape(input, offset, weight, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w);
  const ScalarType own = input.scalar_type(), dtype = computed_in(own);
  const Tensor out = dtype == ScalarType::Double
                         ? Convolution<double>(input, offset, weight, mask, shape, dtype).forward()
                         : Convolution<float>(input, offset, weight, mask, shape, dtype).forward();
  return dtype == own ? out : torch::stable::to(out, own);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> deform_conv2d_backward_cpu(const Tensor& grad, const Tensor& input,
                                                                      const Tensor& offset, const Tensor& weight,
                                                                      std::optional<Tensor> mask, int64_t stride_h,
                                                                      int64_t stride_w, int64_t pad_h, int64_t pad_w,
                                                                      int64_t dilation_h, int64_t dilation_w) {
  const DeformShape shape(input, offset, weight, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w);
  const ScalarType own = input.scalar_type(), dtype = computed_in(own);
  auto grads = dtype == ScalarType::Double
                   ? Convolution<double>(input, offset, weight, mask, shape, dtype).backward(grad)
                   : Convolution<float>(input, offset, weight, mask, shape, dtype).backward(grad);
  if (dtype == own) return grads;
  auto& [a, b, c, d] = grads;
  return {torch::stable::to(a, own), torch::stable::to(b, own), torch::stable::to(c, own), torch::stable::to(d, own)};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("deform_conv2d", TORCH_BOX(&deform_conv2d_cpu));
  m.impl("deform_conv2d_backward", TORCH_BOX(&deform_conv2d_backward_cpu));
}

}  // namespace detectory
