// The focal loss of a logit x with the target t, p = sigmoid(x):
//   q = p (1 - t) + (1 - p) t                                the probability given to the wrong side
//   CE = max(x, 0) (1 - t) + max(-x, 0) t + log(1 + exp(-|x|))                    the cross entropy
//   w = alpha t + (1 - alpha) (1 - t)
//   loss = w q^gamma CE
//   d loss / d x = w ((p - t) q^gamma + gamma q^(gamma - 1) p (1 - p) (1 - 2 t) CE)
#pragma once

#include <cstdint>

#include "instruction_set.h"

namespace detectory {

// The weights of targets 0 and 1, and the exponent.
struct FocalWeights {
  double negative, positive, gamma;
};

DETECTORY_KERNEL(focal_loss_f32, void(const float* x, const float* t, int64_t count, FocalWeights, float* loss))
DETECTORY_KERNEL(focal_loss_f64, void(const double* x, const double* t, int64_t count, FocalWeights, double* loss))

// The sum of the losses.
DETECTORY_KERNEL(focal_loss_sum_f32, double(const float* x, const float* t, int64_t count, FocalWeights))
DETECTORY_KERNEL(focal_loss_sum_f64, double(const double* x, const double* t, int64_t count, FocalWeights))

// The gradient by x; `step` is 1 for one incoming gradient each, 0 for one for all.
DETECTORY_KERNEL(focal_gradient_f32, void(const float* x, const float* t, const float* grad, int64_t step,
                                          int64_t count, FocalWeights, float* out))
DETECTORY_KERNEL(focal_gradient_f64, void(const double* x, const double* t, const double* grad, int64_t step,
                                          int64_t count, FocalWeights, double* out))

}  // namespace detectory
