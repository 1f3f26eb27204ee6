#pragma once

#include <cstdint>

#include "instruction_set.h"
#include "rotated_overlap.h"

namespace detectory {

// IoU of one box with `count` others, whose numbers stand `stride` apart in the order of RotatedBox.
DETECTORY_KERNEL(rotated_ious,
                 void(const RotatedBox&, const double* others, int64_t stride, int64_t count, double* out))

// Whether any of them has an IoU above the threshold.
DETECTORY_KERNEL(rotated_overlaps_any,
                 bool(const RotatedBox&, const double* others, int64_t stride, int64_t count, double threshold))

}  // namespace detectory
