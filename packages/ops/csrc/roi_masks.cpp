#include "tensors.h"

STABLE_TORCH_LIBRARY_FRAGMENT(detectory, m) {
  m.def("paste_masks(Tensor masks, Tensor boxes, SymInt height, SymInt width, float threshold) -> Tensor");
  // Returns flat int32 counts and int64 offsets (N + 1), see rle.cpp.
  m.def(
      "roi_masks_to_rle(Tensor masks, Tensor boxes, SymInt height, SymInt width, float threshold) -> (Tensor counts, "
      "Tensor offsets)");
}
