#pragma once

#include <cstdint>

#include "instruction_set.h"
#include "rotated_overlap.h"

namespace detectory {

// IoU of one box with `count` boxes in structure-of-arrays layout: the fields of RotatedBox are `stride` apart.
DETECTORY_KERNEL(rotated_ious,
                 void(const RotatedBox&, const double* others, int64_t stride, int64_t count, double* out))

// Whether the IoU with any of these boxes exceeds the threshold.
DETECTORY_KERNEL(rotated_overlaps_any,
                 bool(const RotatedBox&, const double* others, int64_t stride, int64_t count, double threshold))

}  // namespace detectory
