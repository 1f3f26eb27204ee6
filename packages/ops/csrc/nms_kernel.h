#pragma once

#include <cstdint>

#include "boxes_kernel.h"
#include "instruction_set.h"

namespace detectory {

// Whether the IoU of box (x1, y1, x2, y2, area) with any of `count` kept boxes exceeds the threshold.
DETECTORY_KERNEL(overlaps_any_f32, bool(const float* box, BoxColumns<float> kept, int64_t count, float threshold))
DETECTORY_KERNEL(overlaps_any_f64, bool(const double* box, BoxColumns<double> kept, int64_t count, double threshold))

}  // namespace detectory
