#include <algorithm>
#include <tuple>
#include <vector>

#include "pair_groups.h"
#include "parallel.h"
#include "rle_merge.h"
#include "rle_runs.h"
#include "tensors.h"

namespace detectory {

namespace {

Tensor rle_area_cpu(const Tensor& counts, const Tensor& offsets) {
  const Ragged<int32_t> masks = ragged_runs(counts, offsets);
  Tensor out = new_empty(counts, {masks.size()}, ScalarType::Long);
  int64_t* areas = out.mutable_data_ptr<int64_t>();
  for (int64_t n = 0; n < masks.size(); ++n) {
    areas[n] = 0;
    const Slice<int32_t> runs = masks[n];
    for (int64_t k = 1; k < runs.size; k += 2) areas[n] += runs[k];
  }
  return out;
}

// The tight box (x, y, width, height) of one mask; zeros for an empty mask.
void bbox_of(Slice<int32_t> runs, int64_t height, int64_t width, double* box) {
  std::fill(box, box + 4, 0.0);
  if (runs.size < 2 || height == 0) return;
  int64_t x1 = width, y1 = height, x2 = 0, y2 = 0, position = 0;
  for (int64_t k = 0; k + 1 < runs.size; k += 2) {
    const int64_t first = position + runs[k], last = first + runs[k + 1] - 1;
    position = last + 1;
    x1 = std::min(x1, first / height);
    x2 = std::max(x2, last / height);
    if (first / height < last / height) {
      // A run that continues in the next column contains pixels of the bottom and top rows.
      y1 = 0;
      y2 = height - 1;
    } else {
      y1 = std::min(y1, first % height);
      y2 = std::max(y2, last % height);
    }
  }
  box[0] = double(x1);
  box[1] = double(y1);
  box[2] = double(x2 - x1 + 1);
  box[3] = double(y2 - y1 + 1);
}

Tensor rle_to_bbox_cpu(const Tensor& counts, const Tensor& offsets, const Tensor& sizes) {
  const Ragged<int32_t> masks = ragged_runs(counts, offsets);
  const Tensor extents = contiguous_as(sizes, ScalarType::Long);
  STD_TORCH_CHECK(extents.dim() == 2 && extents.size(0) == masks.size() && extents.size(1) == 2,
                  "sizes must be (N, 2)");
  const int64_t* extent = extents.const_data_ptr<int64_t>();
  Tensor out = new_empty(counts, {masks.size(), 4}, ScalarType::Double);
  double* boxes = out.mutable_data_ptr<double>();
  for (int64_t n = 0; n < masks.size(); ++n) bbox_of(masks[n], extent[2 * n], extent[2 * n + 1], boxes + 4 * n);
  return out;
}

std::tuple<Tensor, Tensor> rle_merge_cpu(const Tensor& counts, const Tensor& offsets, const Tensor& groups,
                                         bool intersect) {
  const Ragged<int32_t> masks = ragged_runs(counts, offsets);
  const Tensor bounds = contiguous_as(groups, ScalarType::Long);
  check_groups(bounds, masks.size());
  const int64_t* cuts = bounds.const_data_ptr<int64_t>();
  std::vector<Runs> results(bounds.size(0) - 1);
  parallel_for(0, bounds.size(0) - 1, 4, [&](int64_t begin, int64_t end) {
    Runs merged;
    for (int64_t g = begin; g < end; ++g) {
      if (cuts[g] == cuts[g + 1]) continue;
      Runs& result = results[g];
      result.assign(masks[cuts[g]].begin(), masks[cuts[g]].end());
      for (int64_t n = cuts[g] + 1; n < cuts[g + 1]; ++n) {
        merge_runs(slice_of(result), masks[n], intersect, merged);
        result.swap(merged);
      }
    }
  });
  return pack_runs(results, counts);
}

// COCO's compressed strings (rleToString): characters from '0' on encode five bits each, lowest first; bit 5 marks
// continuation, bit 4 of the last character is the sign. From the fourth run on, runs are stored as the difference from
// the run two positions earlier.
void write_string(Slice<int32_t> runs, std::vector<uint8_t>& text) {
  text.clear();
  for (int64_t k = 0; k < runs.size; ++k) {
    int64_t value = k > 2 ? int64_t(runs[k]) - runs[k - 2] : runs[k];
    for (bool more = true; more;) {
      const int64_t bits = value & 0x1f;
      value >>= 5;
      more = value != (bits & 0x10 ? -1 : 0);
      text.push_back(static_cast<uint8_t>((more ? bits | 0x20 : bits) + '0'));
    }
  }
}

// Returns false if the text is truncated, contains invalid characters, or encodes a run outside [0, 2^31).
bool read_string(Slice<uint8_t> text, Runs& runs) {
  runs.clear();
  for (int64_t p = 0; p < text.size;) {
    int64_t value = 0;
    int shift = 0;
    for (bool more = true; more; shift += 5) {
      if (p == text.size || text[p] < '0' || text[p] >= '0' + 64 || shift > 35) return false;
      const int64_t bits = text[p++] - '0';
      value |= (bits & 0x1f) << shift;
      more = bits & 0x20;
      if (!more && (bits & 0x10)) value -= int64_t(1) << (shift + 5);
    }
    if (runs.size() > 2) value += runs[runs.size() - 2];
    if (value < 0 || value > INT32_MAX) return false;
    runs.push_back(static_cast<int32_t>(value));
  }
  return true;
}

std::tuple<Tensor, Tensor> rle_to_string_cpu(const Tensor& counts, const Tensor& offsets) {
  const Ragged<int32_t> masks = ragged_runs(counts, offsets);
  std::vector<std::vector<uint8_t>> texts(masks.size());
  parallel_for(0, masks.size(), 64, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) write_string(masks[n], texts[n]);
  });
  return pack_rows(texts, counts, ScalarType::Byte);
}

std::tuple<Tensor, Tensor, Tensor> rle_from_string_cpu(const Tensor& characters, const Tensor& character_offsets) {
  const Ragged<uint8_t> texts(characters, character_offsets, ScalarType::Byte);
  std::vector<Runs> results(texts.size());
  std::vector<uint8_t> readable(texts.size(), 0);
  parallel_for(0, texts.size(), 64, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      readable[n] = read_string(texts[n], results[n]);
      if (!readable[n]) results[n].clear();
    }
  });
  Tensor faulty = new_empty(characters, {}, ScalarType::Long);
  const auto first = std::find(readable.begin(), readable.end(), 0);
  *faulty.mutable_data_ptr<int64_t>() = first == readable.end() ? -1 : first - readable.begin();
  const auto [counts, offsets] = pack_runs(results, characters);
  return {counts, offsets, faulty};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("rle_area", TORCH_BOX(&rle_area_cpu));
  m.impl("rle_to_bbox", TORCH_BOX(&rle_to_bbox_cpu));
  m.impl("rle_merge", TORCH_BOX(&rle_merge_cpu));
  m.impl("rle_to_string", TORCH_BOX(&rle_to_string_cpu));
  m.impl("rle_from_string", TORCH_BOX(&rle_from_string_cpu));
}

}  // namespace detectory
