// COCO's polygon rasterisation rule (rleFrPoly of the COCO mask API), which defines the reference masks bit by bit.
//
// Vertices are rounded to a grid five times finer than the pixels, and each edge is walked in unit steps along its
// longer axis. A step between fine columns 5 x + 2 and 5 x + 3 crosses the centre line of pixel column x at the smaller
// of its two fine rows; the pixels of the column toggle between inside and outside from the pixel below on. Only these
// steps are computed, not the whole walk.
#pragma once

#include <cstdint>
#include <vector>

#include "rle_runs.h"

namespace detectory {

// A toggle between inside and outside at pixel (x, y), valid for the rest of column x. 0 <= y <= height.
struct Crossing {
  int32_t x, y;
};

// The vertices (x, y) of one closed polygon, mapped by (value - shift) * scale on each axis.
struct Outline {
  const double* vertices;
  int64_t count;
  double shift_x = 0, shift_y = 0, scale_x = 1, scale_y = 1;
};

// Appends the crossings of an outline in an image of height x width pixels, unordered. Polygons with a non-finite
// vertex are skipped.
void add_crossings(const Outline& outline, int64_t height, int64_t width, std::vector<Crossing>& crossings);

// The run lengths of one polygon, identical to pycocotools.
void runs_of_crossings(std::vector<Crossing>& crossings, int64_t height, int64_t width, Runs& runs);

}  // namespace detectory
