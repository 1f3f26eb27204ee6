#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#include "parallel.h"
#include "rle_runs.h"
#include "roi_masks_kernel.h"
#include "tensors.h"

namespace detectory {

namespace {

// The pixels along one image axis covered by a mask axis of `size` cells stretched over [low, high].
class Axis {
 public:
  void sample(float low, float high, int64_t size, int64_t extent) {
    first_ = 0;
    index_.clear();
    lower_.clear();
    upper_.clear();
    // Boxes with a non-positive or non-finite side do not cover pixels.
    if (!(high > low) || !std::isfinite(high - low) || size == 0) return;
    const double reach = (double(high) - low) / (2.0 * size) + 2.0;
    const int64_t begin = clamped(std::floor(low - reach), extent), end = clamped(std::ceil(high + reach), extent);
    const float scale = size / 2.0f;
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      // The pixel centre in [-1, 1], then in cells: the expressions of torch's grid_sample, for identical rounding.
      const float centre = (pixel + 0.5f - low) / (high - low) * 2.0f - 1.0f;
      const float position = (centre + 1.0f) * scale - 0.5f;
      if (!(position > -1.0f && position < size)) continue;
      if (index_.empty()) first_ = pixel;
      const float cell = std::floor(position);
      index_.push_back(static_cast<int32_t>(cell) + 1);
      upper_.push_back(position - cell);
      lower_.push_back(1.0f - (position - cell));
    }
  }

  AxisSamples samples() const {
    return {first_, static_cast<int64_t>(index_.size()), index_.data(), lower_.data(), upper_.data()};
  }

 private:
  static int64_t clamped(double value, int64_t extent) {
    return static_cast<int64_t>(std::min(std::max(value, 0.0), double(extent)));
  }

  int64_t first_ = 0;
  std::vector<int32_t> index_;
  std::vector<float> lower_, upper_;
};

// Pads the mask with a border of zeros and optionally transposes it.
void pad_mask(const float* mask, int64_t h, int64_t w, bool transposed, std::vector<float>& padded) {
  padded.assign((h + 2) * (w + 2), 0.0f);
  for (int64_t i = 0; i < h; ++i) {
    for (int64_t j = 0; j < w; ++j) {
      padded[transposed ? (j + 1) * (h + 2) + i + 1 : (i + 1) * (w + 2) + j + 1] = mask[i * w + j];
    }
  }
}

struct Regions {
  Tensor masks, boxes;
  int64_t N, h, w, height, width;

  Regions(const Tensor& masks_, const Tensor& boxes_, int64_t height_, int64_t width_)
      : masks(contiguous_as(masks_, ScalarType::Float)),
        boxes(contiguous_as(boxes_, ScalarType::Float)),
        N(masks.size(0)),
        h(masks.size(1)),
        w(masks.size(2)),
        height(height_),
        width(width_) {
    STD_TORCH_CHECK(boxes.dim() == 2 && boxes.size(0) == N && boxes.size(1) == 4, "boxes must be (N, 4)");
    STD_TORCH_CHECK(height >= 0 && width >= 0, "the image's size must not be negative");
  }

  const float* mask(int64_t n) const { return masks.const_data_ptr<float>() + n * h * w; }
  const float* box(int64_t n) const { return boxes.const_data_ptr<float>() + n * 4; }
};

Tensor paste_masks_cpu(const Tensor& masks, const Tensor& boxes, int64_t height, int64_t width, double threshold) {
  const Regions regions(masks, boxes, height, width);
  const bool soft = threshold < 0;
  Tensor out = new_empty(regions.masks, {regions.N, height, width}, soft ? ScalarType::Byte : ScalarType::Bool);
  if (height * width == 0) return out;
  uint8_t* pictures = static_cast<uint8_t*>(out.mutable_data_ptr());
  const float limit = static_cast<float>(threshold);
  const auto blend = blend_mask_columns();
  const auto binary = paste_row_binary();
  const auto shades = paste_row_soft();
  parallel_for(0, regions.N, 1, [&](int64_t begin, int64_t end) {
    Axis axis_x, axis_y;
    std::vector<float> padded, blended;
    for (int64_t n = begin; n < end; ++n) {
      uint8_t* picture = pictures + n * height * width;
      // Pixels outside the mask are 0, which passes a threshold of 0.
      std::memset(picture, !soft && 0.0f >= limit ? 1 : 0, height * width);
      const float* box = regions.box(n);
      axis_x.sample(box[0], box[2], regions.w, width);
      axis_y.sample(box[1], box[3], regions.h, height);
      const AxisSamples xs = axis_x.samples(), ys = axis_y.samples();
      if (xs.count == 0 || ys.count == 0) continue;
      pad_mask(regions.mask(n), regions.h, regions.w, false, padded);
      blended.resize((regions.h + 2) * xs.count);
      blend(padded.data(), regions.h, regions.w, xs, blended.data());
      for (int64_t k = 0; k < ys.count; ++k) {
        const float *above = blended.data() + ys.index[k] * xs.count, *below = above + xs.count;
        uint8_t* row = picture + (ys.first + k) * width + xs.first;
        if (soft) {
          shades(above, below, ys.lower[k], ys.upper[k], xs.count, row);
        } else {
          binary(above, below, ys.lower[k], ys.upper[k], limit, xs.count, row);
        }
      }
    }
  });
  return out;
}

// The image rows between the same two mask cells, over which blended values change linearly.
struct Span {
  int64_t begin, end;
  int32_t cell;
};

std::vector<Span> spans_of(const AxisSamples& ys) {
  std::vector<Span> spans;
  for (int64_t k = 0; k < ys.count; ++k) {
    if (spans.empty() || spans.back().cell != ys.index[k]) spans.push_back({k, k, ys.index[k]});
    spans.back().end = k + 1;
  }
  return spans;
}

// Appends the rows of one span to the runs. Rows are evaluated one by one, with the expression of paste_row_binary,
// only if the threshold is between the values of both cells (within rounding).
void add_span(const Span& span, const float* column, const AxisSamples& ys, float threshold, int64_t top,
              RunBuilder& runs) {
  const float above = column[span.cell], below = column[span.cell + 1];
  const float slack = 4e-7f * std::max(std::abs(above), std::abs(below));
  if (above - slack >= threshold && below - slack >= threshold) return runs.set(true, top + span.begin);
  if (above + slack < threshold && below + slack < threshold) return runs.set(false, top + span.begin);
  for (int64_t k = span.begin; k < span.end; ++k) {
    runs.set(ys.lower[k] * above + ys.upper[k] * below >= threshold, top + k);
  }
}

void region_runs(const AxisSamples& xs, const AxisSamples& ys, const std::vector<Span>& spans, const float* columns,
                 int64_t stride, int64_t height, int64_t width, float threshold, RunBuilder& runs) {
  const bool outside = 0.0f >= threshold;
  if (xs.first > 0 || ys.first > 0) runs.set(outside, 0);
  for (int64_t k = 0; k < xs.count; ++k, columns += stride) {
    const int64_t top = (xs.first + k) * height;
    if (ys.first > 0) runs.set(outside, top);
    for (const Span& span : spans) add_span(span, columns, ys, threshold, top + ys.first, runs);
    if (ys.first + ys.count < height) runs.set(outside, top + ys.first + ys.count);
  }
  if (xs.first + xs.count < width) runs.set(outside, (xs.first + xs.count) * height);
}

std::tuple<Tensor, Tensor> roi_masks_to_rle_cpu(const Tensor& masks, const Tensor& boxes, int64_t height, int64_t width,
                                                double threshold) {
  const Regions regions(masks, boxes, height, width);
  const float limit = static_cast<float>(threshold);
  const auto blend = blend_mask_columns_transposed();
  std::vector<Runs> results(regions.N);
  parallel_for(0, regions.N, 1, [&](int64_t begin, int64_t end) {
    Axis axis_x, axis_y;
    std::vector<float> padded, blended;
    for (int64_t n = begin; n < end; ++n) {
      const float* box = regions.box(n);
      axis_x.sample(box[0], box[2], regions.w, width);
      axis_y.sample(box[1], box[3], regions.h, height);
      const AxisSamples xs = axis_x.samples(), ys = axis_y.samples();
      RunBuilder runs(results[n]);
      if (xs.count > 0 && ys.count > 0) {
        pad_mask(regions.mask(n), regions.h, regions.w, true, padded);
        blended.resize((regions.h + 2) * xs.count);
        blend(padded.data(), regions.h, xs, blended.data());
        region_runs(xs, ys, spans_of(ys), blended.data(), regions.h + 2, height, width, limit, runs);
      } else if (height * width > 0) {
        runs.set(0.0f >= limit, 0);
      }
      runs.finish(height * width);
    }
  });
  return pack_runs(results, regions.masks);
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("paste_masks", TORCH_BOX(&paste_masks_cpu));
  m.impl("roi_masks_to_rle", TORCH_BOX(&roi_masks_to_rle_cpu));
}

}  // namespace detectory
