// The focal loss of a logit x with target t and p = sigmoid(x) (Lin et al., 2017, equation 5):
//   q = p (1 - t) + (1 - p) t                                the probability of the wrong class
//   CE = max(x, 0) (1 - t) + max(-x, 0) t + log(1 + exp(-|x|))                    the cross entropy
//   w = alpha t + (1 - alpha) (1 - t)
//   loss = w q^gamma CE
//   d loss / d x = w ((p - t) q^gamma + gamma q^(gamma - 1) p (1 - p) (1 - 2 t) CE)
#pragma once

#include <cstdint>

#include "instruction_set.h"

namespace detectory {

// The weights of negatives and positives, and gamma.
struct FocalWeights {
  double negative, positive, gamma;
};

DETECTORY_KERNEL(focal_loss_f32, void(const float* x, const float* t, int64_t count, FocalWeights, float* loss))
DETECTORY_KERNEL(focal_loss_f64, void(const double* x, const double* t, int64_t count, FocalWeights, double* loss))

// Returns the sum of the losses.
DETECTORY_KERNEL(focal_loss_sum_f32, double(const float* x, const float* t, int64_t count, FocalWeights))
DETECTORY_KERNEL(focal_loss_sum_f64, double(const double* x, const double* t, int64_t count, FocalWeights))

// The gradient with respect to x; `step` is 1 for one incoming gradient per element, 0 for a shared one.
DETECTORY_KERNEL(focal_gradient_f32, void(const float* x, const float* t, const float* grad, int64_t step,
                                          int64_t count, FocalWeights, float* out))
DETECTORY_KERNEL(focal_gradient_f64, void(const double* x, const double* t, const double* grad, int64_t step,
                                          int64_t count, FocalWeights, double* out))

}  // namespace detectory
