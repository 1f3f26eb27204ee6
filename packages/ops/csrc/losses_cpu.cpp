#include <algorithm>
#include <vector>

#include "losses_kernel.h"
#include "parallel.h"
#include "shared_number.h"
#include "tensors.h"

namespace detectory {

namespace {

// Partial sums are computed over pieces of this many elements and added in order, so that the result does not depend on
// the number of threads.
constexpr int64_t kPiece = 16384;

FocalWeights weights_of(double alpha, double gamma) {
  if (alpha < 0) return {1, 1, gamma};
  return {1 - alpha, alpha, gamma};
}

ScalarType computed_in(const Tensor& inputs) {
  return inputs.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

template <typename T, typename Each, typename Sum>
Tensor loss_as(const Tensor& inputs, const Tensor& targets, FocalWeights weights, bool total, Each each, Sum sum) {
  const Tensor logits = contiguous_as(inputs, computed_in(inputs)),
               labels = contiguous_as(targets, computed_in(inputs));
  STD_TORCH_CHECK(logits.numel() == labels.numel(), "inputs and targets must have one shape");
  const int64_t count = logits.numel();
  const T *x = logits.const_data_ptr<T>(), *t = labels.const_data_ptr<T>();
  if (!total) {
    Tensor out = torch::stable::empty_like(logits);
    T* loss = out.mutable_data_ptr<T>();
    parallel_for(0, count, kPiece,
                 [&](int64_t begin, int64_t end) { each(x + begin, t + begin, end - begin, weights, loss + begin); });
    return out;
  }
  std::vector<double> sums((count + kPiece - 1) / kPiece);
  parallel_for(0, static_cast<int64_t>(sums.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      sums[k] = sum(x + k * kPiece, t + k * kPiece, std::min(kPiece, count - k * kPiece), weights);
    }
  });
  double result = 0;
  for (const double piece : sums) result += piece;
  Tensor out = new_empty(logits, {}, computed_in(inputs));
  *out.mutable_data_ptr<T>() = static_cast<T>(result);
  return out;
}

Tensor sigmoid_focal_loss_cpu(const Tensor& inputs, const Tensor& targets, double alpha, double gamma, bool total) {
  const FocalWeights weights = weights_of(alpha, gamma);
  const Tensor out = computed_in(inputs) == ScalarType::Double
                         ? loss_as<double>(inputs, targets, weights, total, focal_loss_f64(), focal_loss_sum_f64())
                         : loss_as<float>(inputs, targets, weights, total, focal_loss_f32(), focal_loss_sum_f32());
  return out.scalar_type() == inputs.scalar_type() ? out : torch::stable::to(out, inputs.scalar_type());
}

template <typename T, typename Kernel>
Tensor gradient_as(const Tensor& grad, const Tensor& inputs, const Tensor& targets, FocalWeights weights,
                   Kernel kernel) {
  const ScalarType dtype = computed_in(inputs);
  const Tensor logits = contiguous_as(inputs, dtype), labels = contiguous_as(targets, dtype);
  const int64_t count = logits.numel();
  Tensor out = torch::stable::empty_like(logits);
  if (count == 0) return out;
  const Tensor incoming = contiguous_as(shared_number(grad), dtype);
  const int64_t step = incoming.dim() == 0 ? 0 : 1;
  STD_TORCH_CHECK(labels.numel() == count && (step == 0 || incoming.numel() == count),
                  "inputs, targets and grad must have one shape");
  const T *x = logits.const_data_ptr<T>(), *t = labels.const_data_ptr<T>(), *g = incoming.const_data_ptr<T>();
  T* result = out.mutable_data_ptr<T>();
  parallel_for(0, count, kPiece, [&](int64_t begin, int64_t end) {
    kernel(x + begin, t + begin, g + step * begin, step, end - begin, weights, result + begin);
  });
  return out;
}

Tensor sigmoid_focal_loss_backward_cpu(const Tensor& grad, const Tensor& inputs, const Tensor& targets, double alpha,
                                       double gamma) {
  const FocalWeights weights = weights_of(alpha, gamma);
  const Tensor out = computed_in(inputs) == ScalarType::Double
                         ? gradient_as<double>(grad, inputs, targets, weights, focal_gradient_f64())
                         : gradient_as<float>(grad, inputs, targets, weights, focal_gradient_f32());
  return out.scalar_type() == inputs.scalar_type() ? out : torch::stable::to(out, inputs.scalar_type());
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("sigmoid_focal_loss", TORCH_BOX(&sigmoid_focal_loss_cpu));
  m.impl("sigmoid_focal_loss_backward", TORCH_BOX(&sigmoid_focal_loss_backward_cpu));
}

}  // namespace detectory
