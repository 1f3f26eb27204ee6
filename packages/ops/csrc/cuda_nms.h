// Greedy NMS on the GPU for any box type: boxes are sorted by class and score, a bit matrix of overlaps is computed,
// and one thread block per class scans its part of the matrix. The host synchronises once, for the number of kept
// boxes.
#pragma once

#include "cuda_launch.h"

namespace detectory {

constexpr int64_t kTile = 64;  // boxes per word of the bit matrix

using Word = unsigned long long;

inline Tensor masked_select(const Tensor& values, const Tensor& mask) {
  std::array<StableIValue, 2> stack{torch::stable::detail::from(values), torch::stable::detail::from(mask)};
  STABLE_TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::masked_select", "", stack.data(), TORCH_ABI_VERSION));
  return torch::stable::detail::to<Tensor>(stack[0]);
}

// Bit j of overlaps[i][c] is set if box i suppresses box 64 * c + j, a later box of the same class.
template <typename T, typename Overlap>
__global__ void overlap_bits(const T* __restrict__ boxes, const int64_t* __restrict__ classes, int64_t N, int64_t words,
                             Overlap overlap, Word* __restrict__ overlaps) {
  const int64_t row_tile = blockIdx.y, column_tile = blockIdx.x;
  if (column_tile < row_tile) return;
  const int64_t row = row_tile * kTile + threadIdx.x, first = column_tile * kTile;
  const int count = int(min(kTile, N - first));
  // Boxes are sorted by class, so tiles with disjoint class ranges are skipped.
  const int64_t last_row = min(N, (row_tile + 1) * kTile) - 1;
  if (classes && classes[first] > classes[last_row]) {
    if (row < N) overlaps[row * words + column_tile] = 0;
    return;
  }
  __shared__ T tile[kTile * Overlap::columns];
  __shared__ int64_t tile_classes[kTile];
  for (int i = threadIdx.x; i < count * Overlap::columns; i += kTile) tile[i] = boxes[first * Overlap::columns + i];
  if (classes && int(threadIdx.x) < count) tile_classes[threadIdx.x] = classes[first + threadIdx.x];
  __syncthreads();
  if (row >= N) return;
  T box[Overlap::columns];
  for (int k = 0; k < Overlap::columns; ++k) box[k] = boxes[row * Overlap::columns + k];
  const int64_t own = classes ? classes[row] : 0;
  Word bits = 0;
  for (int j = row_tile == column_tile ? int(threadIdx.x) + 1 : 0; j < count; ++j) {
    if ((!classes || tile_classes[j] == own) && overlap(box, tile + j * Overlap::columns)) bits |= Word(1) << j;
  }
  overlaps[row * words + column_tile] = bits;
}

// Scans the classes that begin in this block's range of boxes and writes 1 to keep[rank[i]] for each kept box. A
// template, because the compiler puts the number of its process into the name of a static kernel, so that no two builds
// were equal.
template <int64_t kBits>
__global__ void walk_classes(const int64_t* __restrict__ classes, const int64_t* __restrict__ ranks, int64_t N,
                             int64_t words, const Word* __restrict__ overlaps, Word* removed, bool* keep) {
  __shared__ Word kept_bits, within[kBits];
  const int64_t share = (N + gridDim.x - 1) / gridDim.x;
  const int64_t from = blockIdx.x * share, to = min(N, from + share);
  for (int64_t begin = from; begin < to; ++begin) {
    if (begin > 0 && (!classes || classes[begin] == classes[begin - 1])) continue;
    int64_t end = N;
    if (classes) {
      int64_t low = begin + 1;
      while (low < end) {  // binary search for the first box of the next class
        const int64_t middle = (low + end) / 2;
        if (classes[middle] == classes[begin]) {
          low = middle + 1;
        } else {
          end = middle;
        }
      }
    }
    for (int64_t tile = begin / kBits; tile * kBits < end; ++tile) {
      const int64_t first = max(begin, tile * kBits), last = min(end, (tile + 1) * kBits);
      // The decision is sequential and made by one thread; all threads first prefetch its data from global memory.
      for (int64_t i = first + threadIdx.x; i < last; i += blockDim.x) {
        within[i - tile * kBits] = overlaps[i * words + tile];
      }
      __syncthreads();
      if (threadIdx.x == 0) {
        Word gone = atomicOr(removed + tile, Word(0)), kept = 0;
        for (int64_t i = first; i < last; ++i) {
          const Word bit = Word(1) << (i - tile * kBits);
          if (gone & bit) continue;
          kept |= bit;
          gone |= within[i - tile * kBits];
        }
        kept_bits = kept;
      }
      __syncthreads();
      const Word kept = kept_bits;
      for (int64_t i = first + threadIdx.x; i < last; i += blockDim.x) {
        if (kept >> (i - tile * kBits) & 1) keep[ranks ? ranks[i] : i] = true;
      }
      for (int64_t word = tile + 1 + threadIdx.x; word * kBits < end; word += blockDim.x) {
        Word gone = 0;
        for (int64_t i = first; i < last; ++i) {
          if (kept >> (i - tile * kBits) & 1) gone |= overlaps[i * words + word];
        }
        // A word at a class boundary is shared by two classes, and therefore by two blocks.
        if (gone) atomicOr(removed + word, gone);
      }
      __syncthreads();
    }
  }
}

template <typename T, typename Overlap>
Tensor greedy_nms(const Tensor& boxes, const Tensor& scores, const Tensor* idxs, ScalarType dtype, Overlap overlap) {
  const int64_t N = boxes.size(0);
  if (N == 0) return new_empty(boxes, {0}, ScalarType::Long);
  const cudaStream_t stream = current_stream(boxes);
  const Tensor order = std::get<1>(torch::stable::sort(scores, true, 0, true));
  Tensor picked = order, classes, ranks;
  if (idxs) {
    const Tensor by_score = torch::stable::index_select(contiguous_as(*idxs, ScalarType::Long), 0, order);
    std::tie(classes, ranks) = torch::stable::sort(by_score, true, 0, false);
    picked = torch::stable::index_select(order, 0, ranks);
  }
  const Tensor sorted = torch::stable::index_select(contiguous_as(boxes, dtype), 0, picked);
  const int64_t words = (N + kTile - 1) / kTile;
  const Tensor overlaps = new_empty(boxes, {N, words}, ScalarType::Long);
  const Tensor removed = new_zeros(boxes, {words}, ScalarType::Long);
  const Tensor keep = new_zeros(boxes, {N}, ScalarType::Bool);
  const int64_t* class_data = idxs ? classes.const_data_ptr<int64_t>() : nullptr;
  Word* bits = reinterpret_cast<Word*>(overlaps.mutable_data_ptr<int64_t>());
  overlap_bits<T>
      <<<dim3(words, words), kTile, 0, stream>>>(sorted.const_data_ptr<T>(), class_data, N, words, overlap, bits);
  check_launch("nms overlaps");
  walk_classes<kTile><<<idxs ? 128 : 1, 256, 0, stream>>>(
      class_data, idxs ? ranks.const_data_ptr<int64_t>() : nullptr, N, words, bits,
      reinterpret_cast<Word*>(removed.mutable_data_ptr<int64_t>()), keep.mutable_data_ptr<bool>());
  check_launch("nms walk");
  return masked_select(order, keep);
}

}  // namespace detectory
