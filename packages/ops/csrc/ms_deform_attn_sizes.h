// Sizes of multi-scale deformable attention: value (B, S, M, D), locations (B, Q, M, L, P, 2), weights (B, Q, M, L,
// P).
#pragma once

#include "tensors.h"

namespace detectory {

struct AttentionSizes {
  int64_t B, S, M, D, Q, L, P;

  AttentionSizes(const Tensor& value, const Tensor& locations)
      : B(value.size(0)),
        S(value.size(1)),
        M(value.size(2)),
        D(value.size(3)),
        Q(locations.size(1)),
        L(locations.size(3)),
        P(locations.size(4)) {}
};

}  // namespace detectory
