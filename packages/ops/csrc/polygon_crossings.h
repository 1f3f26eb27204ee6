// COCO's rule of which pixels a polygon covers.
//
// The outline is rounded to a grid five times finer than the pixels and walked along the longer side of each edge.
// Where the walk passes from fine column 5 x + 2 to 5 x + 3 (or back) it crosses the centre line of pixel column x, at
// the smaller of the two fine rows; from the pixel below that on the column's pixels change sides. Only those steps
// are computed here, not the whole walk.
#pragma once

#include <cstdint>
#include <vector>

#include "rle_runs.h"

namespace detectory {

// A point where a polygon changes sides: from pixel (x, y) on, down column x. 0 <= y <= height.
struct Crossing {
  int32_t x, y;
};

// The vertices (x, y) of one closed polygon, mapped by (value - shift) * scale on each axis.
struct Outline {
  const double* vertices;
  int64_t count;
  double shift_x = 0, shift_y = 0, scale_x = 1, scale_y = 1;
};

// Appends the crossings of an outline with a picture of height x width pixels, in no order. A polygon with a vertex
// that is not finite has none.
void add_crossings(const Outline& outline, int64_t height, int64_t width, std::vector<Crossing>& crossings);

// The runs of one polygon, as pycocotools writes them.
void runs_of_crossings(std::vector<Crossing>& crossings, int64_t height, int64_t width, Runs& runs);

}  // namespace detectory
