// Conversion of (cx, cy, w, h, degrees) to the prepared form of rotated_overlap.h.
#pragma once

#include <cmath>

#include "rotated_overlap.h"

namespace detectory {

DETECTORY_DEVICE inline RotatedBox prepared(const double* box) {
  const double radians = box[4] * (3.14159265358979323846 / 180);
  const double w = box[2], h = box[3];
  return {
      box[0], box[1], cos(radians), sin(radians), w / 2, h / 2, w > 0 && h > 0 ? w * h : 0.0, sqrt(w * w + h * h) / 2};
}

}  // namespace detectory
