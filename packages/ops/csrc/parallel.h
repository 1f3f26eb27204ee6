// parallel_for on torch's thread pool, with exception propagation.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <atomic>
#include <cstdint>
#include <exception>

namespace detectory {

// Calls body(begin, end) for subranges of at least `grain` indices, on torch's threads. Before torch 2.13 exceptions in
// worker threads are lost, so the first one is stored and rethrown on the calling thread.
template <typename Body>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const Body& body) {
  if (begin >= end) return;
  if (end - begin <= grain) return body(begin, end);
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  torch::stable::parallel_for(begin, end, grain, [&](int64_t from, int64_t to) {
    try {
      body(from, to);
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace detectory
