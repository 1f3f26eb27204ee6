#include "tensors.h"

STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  // N sets of polygons: `coordinates` (P, 2) are the vertices (x, y) of all polygons; polygon q consists of vertices
  // polygon_offsets[q]:polygon_offsets[q + 1], set n of polygons set_offsets[n]:set_offsets[n + 1].
  m.def(
      "polygons_to_masks(Tensor coordinates, Tensor polygon_offsets, Tensor set_offsets, SymInt height, SymInt width) "
      "-> Tensor");
  // Set n is rasterised in an image of sizes[n] = (height, width).
  m.def(
      "polygons_to_rle(Tensor coordinates, Tensor polygon_offsets, Tensor set_offsets, Tensor sizes) -> (Tensor "
      "counts, "
      "Tensor offsets)");
  // Box r is applied to set indices[r].
  m.def(
      "rasterize_polygons_within_boxes(Tensor coordinates, Tensor polygon_offsets, Tensor set_offsets, Tensor indices, "
      "Tensor boxes, SymInt size) -> Tensor");
}
