#include "tensors.h"

STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  // N sets of polygons: `coordinates` (P, 2) are the vertices x, y of all of them; polygon q has the vertices
  // polygon_offsets[q]:polygon_offsets[q + 1], set n the polygons set_offsets[n]:set_offsets[n + 1].
  m.def(
      "polygons_to_masks(Tensor coordinates, Tensor polygon_offsets, Tensor set_offsets, SymInt height, SymInt width) "
      "-> Tensor");
  // Set n is drawn on an image of sizes[n] = (height, width).
  m.def(
      "polygons_to_rle(Tensor coordinates, Tensor polygon_offsets, Tensor set_offsets, Tensor sizes) -> (Tensor "
      "counts, "
      "Tensor offsets)");
  // Box r crops set indices[r].
  m.def(
      "rasterize_polygons_within_boxes(Tensor coordinates, Tensor polygon_offsets, Tensor set_offsets, Tensor indices, "
      "Tensor boxes, SymInt size) -> Tensor");
}
