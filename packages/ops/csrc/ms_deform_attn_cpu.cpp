#include <stdexcept>
#include <tuple>

#include "ms_deform_attn_kernel.h"
#include "ms_deform_attn_sizes.h"
#include "parallel.h"

namespace detectory {

namespace {

// The tensors of one call, converted to the compute type.
template <typename T>
struct Operands {
  Tensor value, shapes, starts, locations, weights;
  AttentionSizes n;

  Operands(const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations,
           const Tensor& weights, ScalarType dtype)
      : value(contiguous_as(value, dtype)),
        shapes(contiguous_as(shapes, ScalarType::Long)),
        starts(contiguous_as(starts, ScalarType::Long)),
        locations(contiguous_as(locations, dtype)),
        weights(contiguous_as(weights, dtype)),
        n(value, locations) {
    const int64_t *sizes = this->shapes.template const_data_ptr<int64_t>(),
                  *begins = this->starts.template const_data_ptr<int64_t>();
    for (int64_t level = 0; level < n.L; ++level) {
      const int64_t H = sizes[2 * level], W = sizes[2 * level + 1], begin = begins[level];
      if (H <= 0 || W <= 0 || begin < 0 || begin > n.S || H > n.S / W || H * W > n.S - begin) {
        throw std::runtime_error("ms_deform_attn: a level of shapes and starts is not inside value");
      }
    }
  }

  AttentionHead<T> head(int64_t b, int64_t m) const {
    const int64_t points = n.L * n.P, first = (b * n.Q * n.M + m) * points;
    return {value.const_data_ptr<T>() + (b * n.S * n.M + m) * n.D,
            locations.const_data_ptr<T>() + 2 * first,
            weights.const_data_ptr<T>() + first,
            shapes.const_data_ptr<int64_t>(),
            starts.const_data_ptr<int64_t>(),
            n.M * n.D,
            2 * n.M * points,
            n.M * points,
            n.D,
            n.L,
            n.P};
  }
};

template <typename T>
Tensor forward(const Operands<T>& o, ScalarType dtype,
               void (*attend)(const AttentionHead<T>&, int64_t, int64_t, T*, int64_t)) {
  const AttentionSizes& n = o.n;
  const Tensor out = new_empty(o.value, {n.B, n.Q, n.M * n.D}, dtype);
  if (out.numel() == 0) return out;
  T* to = out.mutable_data_ptr<T>();
  parallel_for(0, n.B * n.Q, 16, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin / n.Q; b * n.Q < end; ++b) {
      const int64_t from = std::max<int64_t>(begin - b * n.Q, 0), until = std::min(end - b * n.Q, n.Q);
      for (int64_t m = 0; m < n.M; ++m) {
        attend(o.head(b, m), from, until, to + b * n.Q * n.M * n.D + m * n.D, n.M * n.D);
      }
    }
  });
  return out;
}

template <typename T, typename Kernel>
std::tuple<Tensor, Tensor, Tensor> backward(const Operands<T>& o, const Tensor& grad, ScalarType dtype, Kernel kernel) {
  const AttentionSizes& n = o.n;
  const Tensor grads = contiguous_as(grad, dtype);
  const Tensor value = new_zeros(o.value, {n.B, n.S, n.M, n.D}, dtype);
  const Tensor locations = new_empty(o.value, {n.B, n.Q, n.M, n.L, n.P, 2}, dtype);
  const Tensor weights = new_empty(o.value, {n.B, n.Q, n.M, n.L, n.P}, dtype);
  const int64_t points = n.L * n.P;
  // One task per image and head: no data races, and a fixed order of summation.
  parallel_for(0, n.B * n.M, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / n.M, m = i % n.M, first = (b * n.Q * n.M + m) * points;
      kernel(o.head(b, m), n.Q, grads.const_data_ptr<T>() + (b * n.Q * n.M + m) * n.D, n.M * n.D,
             value.mutable_data_ptr<T>() + (b * n.S * n.M + m) * n.D, locations.mutable_data_ptr<T>() + 2 * first,
             weights.mutable_data_ptr<T>() + first);
    }
  });
  return {value, locations, weights};
}

Tensor ms_deform_attn_cpu(const Tensor& value, const Tensor& shapes, const Tensor& starts, const Tensor& locations,
                          const Tensor& weights) {
  const ScalarType own = value.scalar_type();
  if (own == ScalarType::Double) {
    return forward(Operands<double>(value, shapes, starts, locations, weights, own), own, attend_f64());
  }
  const ScalarType dtype = ScalarType::Float;
  const Tensor out = forward(Operands<float>(value, shapes, starts, locations, weights, dtype), dtype, attend_f32());
  return own == dtype ? out : torch::stable::to(out, own);
}

std::tuple<Tensor, Tensor, Tensor> ms_deform_attn_backward_cpu(const Tensor& grad, const Tensor& value,
                                                               const Tensor& shapes, const Tensor& starts,
                                                               const Tensor& locations, const Tensor& weights) {
  const ScalarType own = value.scalar_type();
  if (own == ScalarType::Double) {
    return backward(Operands<double>(value, shapes, starts, locations, weights, own), grad, own, attend_back_f64());
  }
  const ScalarType dtype = ScalarType::Float;
  const Operands<float> operands(value, shapes, starts, locations, weights, dtype);
  const auto grads = backward(operands, grad, dtype, attend_back_f32());
  if (own == dtype) return grads;
  const auto& [a, b, c] = grads;
  return {torch::stable::to(a, own), torch::stable::to(b, own), torch::stable::to(c, own)};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("ms_deform_attn", TORCH_BOX(&ms_deform_attn_cpu));
  m.impl("ms_deform_attn_backward", TORCH_BOX(&ms_deform_attn_backward_cpu));
}

}  // namespace detectory
