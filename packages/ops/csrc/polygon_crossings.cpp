#include "polygon_crossings.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace detectory {

namespace {

constexpr double kFiner = 5;

struct FinePoint {
  int64_t x, y;
};

// Coordinates are clamped to 2^40 fine steps, far outside any image, to avoid integer overflow.
int64_t fine(double value) {
  constexpr double limit = 1099511627776.0;
  return static_cast<int64_t>(std::min(std::max(kFiner * value + .5, -limit), limit));
}

int32_t pixel_row(int64_t fine_row, int64_t height) {
  const double row = (fine_row + .5) / kFiner - .5;
  return static_cast<int32_t>(std::ceil(std::min(std::max(row, 0.0), double(height))));
}

// One edge, walked from the end with the smaller coordinate along its longer axis.
class Edge {
 public:
  Edge(FinePoint a, FinePoint b, int64_t height, int64_t width, std::vector<Crossing>& crossings)
      : height_(height), width_(width), crossings_(crossings) {
    const int64_t dx = std::abs(a.x - b.x), dy = std::abs(a.y - b.y);
    if (dx >= dy ? a.x > b.x : a.y > b.y) std::swap(a, b);
    start_ = a;
    steps_ = std::max(dx, dy);
    if (dx == 0) return;  // vertical edges do not cross the centre line of a column
    if (dx >= dy) {
      slope_ = double(b.y - a.y) / dx;
      add_flat();
    } else {
      slope_ = double(b.x - a.x) / dy;
      add_steep();
    }
  }

 private:
  int64_t row_at(int64_t step) const { return static_cast<int64_t>(start_.y + slope_ * step + .5); }
  int64_t column_at(int64_t step) const { return static_cast<int64_t>(start_.x + slope_ * step + .5); }

  // The pixel columns with both fine columns 5 x + 2 and 5 x + 3 in [low, high].
  int64_t first_column(int64_t low) const { return low <= 2 ? 0 : (low + 2) / 5; }
  int64_t last_column(int64_t high) const { return high < 3 ? -1 : std::min(width_ - 1, (high - 3) / 5); }

  // Edges that are longer along x: row_at(step) is evaluated at both fine columns.
  void add_flat() {
    for (int64_t x = first_column(start_.x), last = last_column(start_.x + steps_); x <= last; ++x) {
      const int64_t step = 5 * x + 2 - start_.x;
      add(x, std::min(row_at(step), row_at(step + 1)));
    }
  }

  // Edges that are longer along y: find the step at which the rounded column passes the centre line.
  void add_steep() {
    const int64_t end = column_at(steps_);
    const bool right = slope_ > 0;
    const int64_t last = last_column(std::max(start_.x, end));
    for (int64_t x = first_column(std::min(start_.x, end)); x <= last; ++x) {
      const int64_t target = 5 * x + (right ? 3 : 2);
      const auto arrived = [&](int64_t step) { return right ? column_at(step) >= target : column_at(step) <= target; };
      add(x, start_.y + first_step((target + (right ? -.5 : .5) - start_.x) / slope_, arrived) - 1);
    }
  }

  // The first step in (0, steps_] for which `arrived` is true: usually next to the guess, otherwise (if rounding made
  // the guess inaccurate) found by bisection.
  template <typename Arrived>
  int64_t first_step(double guess, const Arrived& arrived) const {
    int64_t before = 0, after = steps_, probe = static_cast<int64_t>(std::min(std::max(guess, 1.0), double(steps_)));
    for (bool near = true; after - before > 1; near = false) {
      if (probe <= before || probe >= after) probe = before + (after - before) / 2;
      const bool late = arrived(probe);
      (late ? after : before) = probe;
      probe = near ? probe + (late ? -1 : 1) : before;
    }
    return after;
  }

  void add(int64_t x, int64_t fine_row) {
    crossings_.push_back({static_cast<int32_t>(x), pixel_row(fine_row, height_)});
  }

  int64_t height_, width_, steps_ = 0;
  std::vector<Crossing>& crossings_;
  FinePoint start_{0, 0};
  double slope_ = 0;
};

}  // namespace

void add_crossings(const Outline& outline, int64_t height, int64_t width, std::vector<Crossing>& crossings) {
  const int64_t K = outline.count;
  if (K == 0 || height == 0 || width == 0) return;
  for (int64_t k = 0; k < 2 * K; ++k) {
    if (!std::isfinite(outline.vertices[k])) return;
  }
  const auto vertex = [&](int64_t k) {
    const double* point = outline.vertices + 2 * k;
    return FinePoint{fine((point[0] - outline.shift_x) * outline.scale_x),
                     fine((point[1] - outline.shift_y) * outline.scale_y)};
  };
  const FinePoint first = vertex(0);
  FinePoint from = first;
  for (int64_t k = 1; k <= K; ++k) {
    const FinePoint to = k < K ? vertex(k) : first;
    Edge(from, to, height, width, crossings);
    from = to;
  }
}

void runs_of_crossings(std::vector<Crossing>& crossings, int64_t height, int64_t width, Runs& runs) {
  const auto position = [height](const Crossing& c) { return c.x * height + c.y; };
  std::sort(crossings.begin(), crossings.end(),
            [&](const Crossing& a, const Crossing& b) { return position(a) < position(b); });
  runs.clear();
  // Two crossings at the same position cancel: the neighbours of their zero-length run are merged. The first run may be
  // 0.
  int64_t last = 0;
  bool joins = false;
  const auto add = [&](int64_t place) {
    const int32_t run = static_cast<int32_t>(place - last);
    last = place;
    if (run == 0 && !runs.empty()) {
      joins = !joins;
    } else if (joins) {
      runs.back() += run;
      joins = false;
    } else {
      runs.push_back(run);
    }
  };
  for (const Crossing& crossing : crossings) add(position(crossing));
  add(height * width);
}

}  // namespace detectory
