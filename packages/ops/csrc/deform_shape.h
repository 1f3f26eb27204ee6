// Sizes of a deformable convolution; the numbers of groups are derived from the shapes.
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "tensors.h"

namespace detectory {

struct DeformShape {
  int64_t B, C, H, W, OC, KH, KW, OH, OW;
  int64_t groups, offset_groups;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;

  DeformShape(const Tensor& input, const Tensor& offset, const Tensor& weight, int64_t stride_h, int64_t stride_w,
              int64_t pad_h, int64_t pad_w, int64_t dilation_h, int64_t dilation_w)
      : B(input.size(0)),
        C(input.size(1)),
        H(input.size(2)),
        W(input.size(3)),
        OC(weight.size(0)),
        KH(weight.size(2)),
        KW(weight.size(3)),
        OH(offset.size(2)),
        OW(offset.size(3)),
        groups(C / std::max<int64_t>(weight.size(1), 1)),
        offset_groups(offset.size(1) / std::max<int64_t>(2 * KH * KW, 1)),
        stride_h(stride_h),
        stride_w(stride_w),
        pad_h(pad_h),
        pad_w(pad_w),
        dilation_h(dilation_h),
        dilation_w(dilation_w) {
    STD_TORCH_CHECK(weight.size(1) > 0 && KH * KW > 0 && weight.size(1) * groups == C && groups > 0 &&
                        OC % groups == 0 && offset_groups > 0 && C % offset_groups == 0 && offset.size(0) == B &&
                        offset.size(1) == 2 * offset_groups * KH * KW,
                    "deform_conv2d: shapes do not fit");
  }

  int64_t K() const { return KH * KW; }
  int64_t pixels() const { return OH * OW; }
};

// out = a @ b; all three may be strided views.
inline void matmul_into(const Tensor& out, const Tensor& a, const Tensor& b) {
  std::array<StableIValue, 3> stack{torch::stable::detail::from(a), torch::stable::detail::from(b),
                                    torch::stable::detail::from(out)};
  STABLE_TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::mm", "out", stack.data(), TORCH_ABI_VERSION));
  torch::stable::detail::to<Tensor>(stack[0]);
}

// A `rows` x `columns` view of the tensor, starting at element `offset`.
inline Tensor matrix_view(const Tensor& tensor, int64_t offset, int64_t rows, int64_t columns, int64_t row_stride,
                          int64_t column_stride = 1) {
  const int64_t sizes[] = {rows, columns}, strides[] = {row_stride, column_stride};
  AtenTensorHandle view = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(
      aoti_torch__reinterpret_tensor(tensor.get(), 2, sizes, strides, tensor.storage_offset() + offset, &view));
  return Tensor(view);
}

}  // namespace detectory
