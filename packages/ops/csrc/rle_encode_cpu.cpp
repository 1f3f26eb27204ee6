// RLE encoding and decoding. A mask is described by its toggles: the positions x * height + y, in column-major order,
// at which its value changes. Row-major masks yield toggles row by row; a counting sort over the columns (when
// decoding, over the rows) brings them into order, which is cheaper than transposing the image.
#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>

#include "parallel.h"
#include "rle_kernel.h"
#include "rle_runs.h"
#include "tensors.h"

namespace detectory {

namespace {

struct Toggle {
  int32_t x, y;
};

template <typename Visit>
void for_each_bit(uint64_t word, int64_t base, const Visit& visit) {
  for (; word != 0; word &= word - 1) visit(base + __builtin_ctzll(word));
}

// Encodes masks of the same size; buffers are reused between masks.
class Encoder {
 public:
  Encoder(int64_t height, int64_t width) : height_(height), width_(width), words_((width + 63) / 64) {
    for (auto* row : {&first_, &previous_, &current_}) row->resize(words_);
    starts_.resize(width + 1);
  }

  // Row-major pixels with a row stride in bytes.
  void row_major(const uint8_t* pixels, int64_t stride, Runs& runs) {
    toggles_.clear();
    pack_(pixels, width_, first_.data());
    previous_ = first_;
    for (int64_t y = 1; y < height_; ++y) {
      pack_(pixels + y * stride, width_, current_.data());
      for (int64_t k = 0; k < words_; ++k) {
        for_each_bit(current_[k] ^ previous_[k], 64 * k,
                     [&](int64_t x) { toggles_.push_back({static_cast<int32_t>(x), static_cast<int32_t>(y)}); });
      }
      current_.swap(previous_);
    }
    // The first pixel of a column is compared with the last pixel of the previous column.
    tops_.clear();
    uint64_t carry = 0;
    for (int64_t k = 0; k < words_; ++k) {
      const uint64_t before = previous_[k] << 1 | carry;
      carry = previous_[k] >> 63;
      for_each_bit(first_[k] ^ before, 64 * k, [&](int64_t x) {
        if (x < width_) tops_.push_back(static_cast<int32_t>(x));
      });
    }
    sort_by_column(runs);
  }

  // Contiguous column-major pixels.
  void column_major(const uint8_t* pixels, Runs& runs) {
    constexpr int64_t chunk = 64 * 64;
    uint64_t bits[chunk / 64], carry = 0;
    int64_t last = 0;
    runs.clear();
    for (int64_t start = 0, total = height_ * width_; start < total; start += chunk) {
      const int64_t count = std::min(chunk, total - start);
      pack_(pixels + start, count, bits);
      for (int64_t k = 0; 64 * k < count; ++k) {
        uint64_t changes = bits[k] ^ (bits[k] << 1 | carry);
        carry = bits[k] >> 63;
        if (count - 64 * k < 64) changes &= (uint64_t(1) << (count - 64 * k)) - 1;
        for_each_bit(changes, start + 64 * k, [&](int64_t position) {
          runs.push_back(static_cast<int32_t>(position - last));
          last = position;
        });
      }
    }
    runs.push_back(static_cast<int32_t>(height_ * width_ - last));
  }

 private:
  void sort_by_column(Runs& runs) {
    std::fill(starts_.begin(), starts_.end(), 0);
    for (int32_t x : tops_) ++starts_[x + 1];
    for (const Toggle& toggle : toggles_) ++starts_[toggle.x + 1];
    for (int64_t x = 0; x < width_; ++x) starts_[x + 1] += starts_[x];
    runs.resize(tops_.size() + toggles_.size() + 1);
    const int32_t height = static_cast<int32_t>(height_);
    for (int32_t x : tops_) runs[starts_[x]++] = x * height;
    for (const Toggle& toggle : toggles_) runs[starts_[toggle.x]++] = toggle.x * height + toggle.y;
    runs.back() = static_cast<int32_t>(height_ * width_);
    for (size_t k = runs.size() - 1; k > 0; --k) runs[k] -= runs[k - 1];
  }

  decltype(pack_bits()) pack_ = pack_bits();
  int64_t height_, width_, words_;
  std::vector<uint64_t> first_, previous_, current_;
  std::vector<Toggle> toggles_;
  std::vector<int32_t> tops_;
  std::vector<int64_t> starts_;
};

std::tuple<Tensor, Tensor> rle_encode_cpu(const Tensor& masks) {
  STD_TORCH_CHECK(masks.dim() == 3, "masks must be (N, H, W)");
  const bool bytes = masks.scalar_type() == ScalarType::Bool || masks.scalar_type() == ScalarType::Byte;
  Tensor pixels = bytes ? masks : contiguous_as(masks, ScalarType::Bool);
  const int64_t N = pixels.size(0), H = pixels.size(1), W = pixels.size(2);
  const bool columns = W > 1 && H > 1 && pixels.stride(1) == 1 && pixels.stride(2) == H;
  if (!columns && pixels.stride(2) != 1) pixels = torch::stable::contiguous(pixels);
  const uint8_t* data = static_cast<const uint8_t*>(pixels.const_data_ptr());
  const int64_t picture = pixels.stride(0), stride = pixels.stride(1);
  std::vector<Runs> results(N);
  parallel_for(0, N, 1, [&](int64_t begin, int64_t end) {
    Encoder encoder(H, W);
    for (int64_t n = begin; n < end; ++n) {
      if (columns || H * W == 0) {
        encoder.column_major(data + n * picture, results[n]);
      } else {
        encoder.row_major(data + n * picture, stride, results[n]);
      }
    }
  });
  return pack_runs(results, pixels);
}

// Decodes masks of the same size; buffers are reused between masks.
class Decoder {
 public:
  Decoder(int64_t height, int64_t width)
      : height_(height), width_(width), row_(std::max<int64_t>(width, 1)), ends_(height + 1) {}

  void decode(Slice<int32_t> runs, uint8_t* pixels) {
    find_toggles(runs);
    sort_by_row();
    int64_t next = 0;
    for (int64_t y = 0; y < height_; ++y, pixels += width_) {
      for (; next < ends_[y]; ++next) row_[sorted_[next]] ^= 1;
      std::memcpy(pixels, row_.data(), width_);
    }
  }

 private:
  // Finds the values of the first row, and the positions below it at which columns toggle.
  void find_toggles(Slice<int32_t> runs) {
    toggles_.clear();
    std::fill(row_.begin(), row_.end(), 0);
    int64_t x = 0, y = 0;
    for (int64_t k = 0; k < runs.size; ++k) {
      // Top pixels of the columns that start within run k; the value of run k is k & 1.
      const int64_t reach = y + runs[k], beyond = x + reach / height_;
      for (int64_t top = y == 0 ? x : x + 1; top < beyond + (reach % height_ > 0); ++top) row_[top] = k & 1;
      x = beyond;
      y = reach % height_;
      if (y > 0 && k + 1 < runs.size) toggles_.push_back({static_cast<int32_t>(x), static_cast<int32_t>(y)});
    }
  }

  void sort_by_row() {
    std::fill(ends_.begin(), ends_.end(), 0);
    for (const Toggle& toggle : toggles_) ++ends_[toggle.y + 1];
    for (int64_t y = 0; y < height_; ++y) ends_[y + 1] += ends_[y];
    sorted_.resize(toggles_.size());
    for (const Toggle& toggle : toggles_) sorted_[ends_[toggle.y]++] = toggle.x;
  }

  int64_t height_, width_;
  std::vector<uint8_t> row_;
  std::vector<int64_t> ends_;
  std::vector<Toggle> toggles_;
  std::vector<int32_t> sorted_;
};

Tensor rle_decode_cpu(const Tensor& counts, const Tensor& offsets, int64_t height, int64_t width) {
  STD_TORCH_CHECK(height >= 0 && width >= 0, "the masks' size must not be negative");
  const Ragged<int32_t> runs = ragged_runs(counts, offsets);
  const int64_t N = runs.size();
  for (int64_t n = 0; n < N; ++n) {
    int64_t total = 0;
    for (int32_t run : runs[n]) {
      STD_TORCH_CHECK(run >= 0, "a run of mask ", n, " is negative");
      total += run;
    }
    STD_TORCH_CHECK(total == height * width, "the runs of mask ", n, " sum to ", total, ", not to ", height * width);
  }
  Tensor out = new_empty(counts, {N, height, width}, ScalarType::Bool);
  if (height * width == 0) return out;
  uint8_t* pixels = static_cast<uint8_t*>(out.mutable_data_ptr());
  parallel_for(0, N, 1, [&](int64_t begin, int64_t end) {
    Decoder decoder(height, width);
    for (int64_t n = begin; n < end; ++n) decoder.decode(runs[n], pixels + n * height * width);
  });
  return out;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m) {
  m.impl("rle_encode", TORCH_BOX(&rle_encode_cpu));
  m.impl("rle_decode", TORCH_BOX(&rle_decode_cpu));
}

}  // namespace detectory
