// A batch of feature maps as pointer and strides, and regions grouped by image.
#pragma once

#include <sstream>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "channel_blocks_kernel.h"
#include "tensors.h"

namespace detectory {

inline Element element_of(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Double:
      return Element::f64;
    case ScalarType::Half:
      return Element::f16;
    case ScalarType::BFloat16:
      return Element::bf16;
    default:
      return Element::f32;
  }
}

// A (B, C, H, W) tensor of any floating type and strides.
struct FeatureMaps {
  const char* data;
  Element element;
  int64_t element_size;
  int64_t B, C, H, W;
  int64_t strides[4];

  explicit FeatureMaps(const Tensor& tensor)
      : data(static_cast<const char*>(tensor.const_data_ptr())),
        element(element_of(tensor.scalar_type())),
        element_size(int64_t(tensor.element_size())),
        B(tensor.size(0)),
        C(tensor.size(1)),
        H(tensor.size(2)),
        W(tensor.size(3)) {
    for (int i = 0; i < 4; ++i) strides[i] = tensor.stride(i);
  }

  template <typename T>
  bool is() const {
    return element == (std::is_same_v<T, double> ? Element::f64 : Element::f32);
  }

  Plane plane(int64_t b, int64_t c, int64_t y, int64_t x) const {
    const int64_t offset = b * strides[0] + c * strides[1] + y * strides[2] + x * strides[3];
    return {data + offset * element_size, element, strides[1], strides[2], strides[3]};
  }
};

// Column 0 of regions (R, columns) is the batch index.
template <typename T>
std::vector<std::vector<int32_t>> regions_by_image(const T* rois, int64_t R, int64_t B, const char* function,
                                                   int64_t columns = 5) {
  std::vector<std::vector<int32_t>> result(B);
  for (int64_t r = 0; r < R; ++r) {
    const T index = rois[columns * r];
    if (!(index >= 0 && index < T(B))) {
      std::ostringstream message;
      message << function << ": rois[" << r << ", 0] must be the index of an image in [0, " << B << "), got " << index;
      throw std::runtime_error(message.str());
    }
    result[int64_t(index)].push_back(int32_t(r));
  }
  return result;
}

}  // namespace detectory
