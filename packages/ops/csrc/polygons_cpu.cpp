#include <algorithm>
#include <cstring>
#include <tuple>
#include <vector>

#include "parallel.h"
#include "polygon_crossings.h"
#include "rle_merge.h"
#include "rle_runs.h"
#include "tensors.h"

namespace detectory {

namespace {

// N sets of polygons, see the schema in polygons.cpp.
class PolygonSets {
 public:
  PolygonSets(const Tensor& coordinates, const Tensor& polygon_offsets, const Tensor& set_offsets)
      : coordinates_(contiguous_as(coordinates, ScalarType::Double)),
        polygon_offsets_(contiguous_as(polygon_offsets, ScalarType::Long)),
        set_offsets_(contiguous_as(set_offsets, ScalarType::Long)) {
    STD_TORCH_CHECK(coordinates_.dim() == 2 && coordinates_.size(1) == 2, "coordinates must be (P, 2)");
    check_offsets(polygon_offsets_, coordinates_.size(0));
    check_offsets(set_offsets_, polygon_offsets_.size(0) - 1);
  }

  int64_t size() const { return set_offsets_.size(0) - 1; }

  template <typename Visit>
  void for_each_outline(int64_t n, const Visit& visit) const {
    const int64_t *sets = set_offsets_.const_data_ptr<int64_t>(), *cuts = polygon_offsets_.const_data_ptr<int64_t>();
    for (int64_t q = sets[n]; q < sets[n + 1]; ++q) {
      visit(Outline{coordinates_.const_data_ptr<double>() + 2 * cuts[q], cuts[q + 1] - cuts[q]});
    }
  }

 private:
  static void check_offsets(const Tensor& offsets, int64_t count) {
    STD_TORCH_CHECK(offsets.dim() == 1 && offsets.size(0) >= 1, "offsets must be one row of at least one number");
    const int64_t *cuts = offsets.const_data_ptr<int64_t>(), *last = cuts + offsets.size(0) - 1;
    STD_TORCH_CHECK(*cuts == 0 && *last == count && std::is_sorted(cuts, last + 1), "offsets must rise from 0 to ",
                    count);
  }

  Tensor coordinates_, polygon_offsets_, set_offsets_;
};

// Sets the pixels covered by one polygon, row by row; `inside` is the current state of each column, toggled by
// crossings.
void fill_polygon(std::vector<Crossing>& crossings, std::vector<uint8_t>& inside, int64_t height, int64_t width,
                  uint8_t* picture) {
  if (crossings.empty()) return;
  std::sort(crossings.begin(), crossings.end(), [](const Crossing& a, const Crossing& b) { return a.y < b.y; });
  const auto [left, right] = std::minmax_element(crossings.begin(), crossings.end(),
                                                 [](const Crossing& a, const Crossing& b) { return a.x < b.x; });
  const int64_t first = left->x, columns = right->x - left->x + 1;
  inside.assign(columns, 0);
  auto next = crossings.begin();
  for (int64_t y = crossings.front().y; y < height && next != crossings.end(); ++y) {
    for (; next != crossings.end() && next->y == y; ++next) inside[next->x - first] ^= 1;
    uint8_t* row = picture + y * width + first;
    for (int64_t k = 0; k < columns; ++k) row[k] |= inside[k];
  }
}

Tensor polygons_to_masks_cpu(const Tensor& coordinates, const Tensor& polygon_offsets, const Tensor& set_offsets,
                             int64_t height, int64_t width) {
  STD_TORCH_CHECK(height >= 0 && width >= 0, "the image's size must not be negative");
  const PolygonSets sets(coordinates, polygon_offsets, set_offsets);
  Tensor out = new_zeros(coordinates, {sets.size(), height, width}, ScalarType::Bool);
  uint8_t* pictures = static_cast<uint8_t*>(out.mutable_data_ptr());
  parallel_for(0, sets.size(), 1, [&](int64_t begin, int64_t end) {
    std::vector<Crossing> crossings;
    std::vector<uint8_t> inside;
    for (int64_t n = begin; n < end; ++n) {
      sets.for_each_outline(n, [&](const Outline& outline) {
        crossings.clear();
        add_crossings(outline, height, width, crossings);
        fill_polygon(crossings, inside, height, width, pictures + n * height * width);
      });
    }
  });
  return out;
}

std::tuple<Tensor, Tensor> polygons_to_rle_cpu(const Tensor& coordinates, const Tensor& polygon_offsets,
                                               const Tensor& set_offsets, const Tensor& sizes) {
  const PolygonSets sets(coordinates, polygon_offsets, set_offsets);
  const int64_t N = sets.size();
  const Tensor extents = contiguous_as(sizes, ScalarType::Long);
  STD_TORCH_CHECK(extents.dim() == 2 && extents.size(0) == N && extents.size(1) == 2, "sizes must be (N, 2)");
  const int64_t* extent = extents.const_data_ptr<int64_t>();
  for (int64_t n = 0; n < N; ++n) {
    const int64_t height = extent[2 * n], width = extent[2 * n + 1];
    STD_TORCH_CHECK(height >= 0 && width >= 0 && (height == 0 || width <= INT32_MAX / height),
                    "sizes must be >= 0 and below 2^31 pixels, got ", height, " x ", width);
  }
  std::vector<Runs> results(N);
  parallel_for(0, N, 4, [&](int64_t begin, int64_t end) {
    std::vector<Crossing> crossings;
    Runs runs, merged;
    for (int64_t n = begin; n < end; ++n) {
      const int64_t height = extent[2 * n], width = extent[2 * n + 1];
      Runs& result = results[n];
      sets.for_each_outline(n, [&](const Outline& outline) {
        crossings.clear();
        add_crossings(outline, height, width, crossings);
        runs_of_crossings(crossings, height, width, runs);
        if (result.empty()) {
          result = runs;
        } else {
          merge_runs(slice_of(result), slice_of(runs), false, merged);
          result.swap(merged);
        }
      });
      if (result.empty()) result.push_back(static_cast<int32_t>(height * width));
    }
  });
  return pack_runs(results, coordinates);
}

Tensor rasterize_polygons_within_boxes_cpu(const Tensor& coordinates, const Tensor& polygon_offsets,
                                           const Tensor& set_offsets, const Tensor& indices, const Tensor& boxes,
                                           int64_t size) {
  STD_TORCH_CHECK(size >= 0, "size must not be negative");
  const PolygonSets sets(coordinates, polygon_offsets, set_offsets);
  const Tensor corners = contiguous_as(boxes, ScalarType::Double), chosen = contiguous_as(indices, ScalarType::Long);
  STD_TORCH_CHECK(chosen.dim() == 1 && corners.dim() == 2 && corners.size(0) == chosen.size(0) && corners.size(1) == 4,
                  "boxes must be (R, 4) and indices (R)");
  const int64_t R = chosen.size(0);
  const int64_t* index = chosen.const_data_ptr<int64_t>();
  for (int64_t r = 0; r < R; ++r) {
    STD_TORCH_CHECK(index[r] >= 0 && index[r] < sets.size(), "indices must be in [0, ", sets.size(), ")");
  }
  Tensor out = new_zeros(coordinates, {R, size, size}, ScalarType::Bool);
  uint8_t* pictures = static_cast<uint8_t*>(out.mutable_data_ptr());
  parallel_for(0, R, 8, [&](int64_t begin, int64_t end) {
    std::vector<Crossing> crossings;
    std::vector<uint8_t> inside;
    for (int64_t r = begin; r < end; ++r) {
      const double* box = corners.const_data_ptr<double>() + 4 * r;
      sets.for_each_outline(index[r], [&](Outline outline) {
        outline.shift_x = box[0];
        outline.shift_y = box[1];
        // Sides are at least 0.1 pixels, to limit the scale.
        outline.scale_x = size / std::max(box[2] - box[0], 0.1);
        outline.scale_y = size / std::max(box[3] - box[1], 0.1);
        crossings.clear();
        add_crossings(outline, size, size, crossings);
        fill_polygon(crossings, inside, size, size, pictures + r * size * size);
      });
    }
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("polygons_to_masks", TORCH_BOX(&polygons_to_masks_cpu));
  m.impl("polygons_to_rle", TORCH_BOX(&polygons_to_rle_cpu));
  m.impl("rasterize_polygons_within_boxes", TORCH_BOX(&rasterize_polygons_within_boxes_cpu));
}

}  // namespace detectory
