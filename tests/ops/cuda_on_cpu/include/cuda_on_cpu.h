// Runs CUDA kernels on the CPU, one block after the other. Each thread of a block is a fiber with its own stack. A fiber
// runs until it reaches a barrier, and the next one is chosen at random, so that a missing barrier changes the result in
// some of the orders. Shared memory is static memory or a fresh allocation of the requested size: AddressSanitizer
// reports an index outside it.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(int64_t x = 1, int64_t y = 1, int64_t z = 1) : x(unsigned(x)), y(unsigned(y)), z(unsigned(z)) {}
};

inline thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_on_cpu {

constexpr size_t kStackBytes = 256 * 1024;
constexpr int kWarp = 32;
constexpr int kNoBarrier = -1;

[[noreturn]] inline void fail(const char* message) {
  std::fprintf(stderr, "cuda_on_cpu: %s\n", message);
  std::abort();
}

inline std::mt19937_64& generator() {
  static thread_local std::mt19937_64 numbers([] {
    const char* seed = std::getenv("CUDA_ON_CPU_SEED");
    return seed ? std::strtoull(seed, nullptr, 10) : 0;
  }());
  return numbers;
}

// The stacks of finished fibers, for the next block.
inline std::vector<std::unique_ptr<char[]>>& free_stacks() {
  static thread_local std::vector<std::unique_ptr<char[]>> stacks;
  return stacks;
}

inline std::unique_ptr<char[]> take_stack() {
  auto& stacks = free_stacks();
  if (stacks.empty()) return std::unique_ptr<char[]>(new char[kStackBytes]);
  std::unique_ptr<char[]> stack = std::move(stacks.back());
  stacks.pop_back();
  return stack;
}

// Where a thread of a block waits, and what it offers to the other threads of its warp.
struct Fiber {
  ucontext_t context{};
  std::unique_ptr<char[]> stack;
  int barrier = kNoBarrier;  // line of the barrier that the thread waits at
  bool whole_block = false;  // whether the barrier is for the block, otherwise for the warp
  bool finished = false;
  double offered = 0;
  void* fake_stack = nullptr;
};

class Block {
 public:
  Block(unsigned threads, size_t shared_bytes, std::function<void()> body)
      : body_(std::move(body)), shared_(static_cast<unsigned char*>(std::malloc(shared_bytes ? shared_bytes : 1))) {
    for (size_t i = 0; i < shared_bytes; ++i) shared_.get()[i] = static_cast<unsigned char>(generator()());
    fibers_.resize(threads);
  }

  void run() {
    Block* outer = current();
    current() = this;
    for (Fiber& fiber : fibers_) prepare(fiber);
    while (step()) {
    }
    for (Fiber& fiber : fibers_) free_stacks().push_back(std::move(fiber.stack));
    current() = outer;
  }

  static Block*& current() {
    static thread_local Block* block = nullptr;
    return block;
  }

  unsigned char* shared() const { return shared_.get(); }

  // Called by the running fiber: waits until all threads of the block, or of its warp, wait at this barrier.
  void wait(int line, bool whole_block) {
    Fiber& own = fibers_[running_];
    own.barrier = line, own.whole_block = whole_block;
    leave(own, false);
  }

  template <typename T>
  T exchange(T value, int step, int line) {
    const int lane = running_ % kWarp, partner = running_ - lane + (lane ^ step);
    if (partner >= int(fibers_.size()) || fibers_[partner].finished) fail("a shuffle reads from a thread that has ended");
    fibers_[running_].offered = double(value);
    wait(line, false);
    const T received = T(fibers_[partner].offered);
    wait(line, false);
    return received;
  }

 private:
  struct Free {
    void operator()(unsigned char* memory) const { std::free(memory); }
  };

  void prepare(Fiber& fiber) {
    fiber.stack = take_stack();
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &Block::start, 0);
  }

  static void start() {
    Block& block = *current();
    block.arrived();
    block.body_();
    Fiber& own = block.fibers_[block.running_];
    own.finished = true;
    block.leave(own, true);
  }

  // Runs one fiber that can run, chosen at random. Returns false if all have finished.
  bool step() {
    std::vector<int> ready;
    bool any = false;
    for (int i = 0; i < int(fibers_.size()); ++i) {
      any = any || !fibers_[i].finished;
      if (!fibers_[i].finished && fibers_[i].barrier == kNoBarrier) ready.push_back(i);
    }
    if (!any) return false;
    if (ready.empty()) {
      release();
      return true;
    }
    std::shuffle(ready.begin(), ready.end(), generator());
    for (int index : ready) resume(index);
    return true;
  }

  void resume(int index) {
    running_ = index;
    threadIdx = dim3(index);
    Fiber& fiber = fibers_[index];
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&scheduler_fake_stack_, fiber.stack.get(), kStackBytes);
#endif
    swapcontext(&scheduler_, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(scheduler_fake_stack_, nullptr, nullptr);
#endif
  }

  void leave(Fiber& own, [[maybe_unused]] bool forever) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(forever ? nullptr : &own.fake_stack, scheduler_stack_, scheduler_stack_bytes_);
#endif
    swapcontext(&own.context, &scheduler_);
    arrived();
  }

  void arrived() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fibers_[running_].fake_stack, &scheduler_stack_, &scheduler_stack_bytes_);
#endif
  }

  // All unfinished threads wait: opens the barriers of complete warps, or the barrier of the block.
  void release() {
    bool opened = false;
    for (int first = 0; first < int(fibers_.size()); first += kWarp) {
      const int last = std::min<int>(first + kWarp, fibers_.size());
      bool complete = true, waits = false;
      int line = kNoBarrier;
      for (int i = first; i < last; ++i) {
        if (fibers_[i].finished) continue;
        if (fibers_[i].whole_block) {
          complete = false;
          continue;
        }
        waits = true;
        if (line != kNoBarrier && line != fibers_[i].barrier) fail("threads of a warp wait at different shuffles");
        line = fibers_[i].barrier;
      }
      if (!waits) continue;
      if (!complete) fail("some threads of a warp wait at a shuffle and others at __syncthreads");
      for (int i = first; i < last; ++i) fibers_[i].barrier = kNoBarrier;
      opened = true;
    }
    if (opened) return;
    int line = kNoBarrier;
    for (Fiber& fiber : fibers_) {
      if (fiber.finished) continue;
      if (line != kNoBarrier && line != fiber.barrier) fail("threads wait at different __syncthreads");
      line = fiber.barrier;
    }
    for (Fiber& fiber : fibers_) fiber.barrier = kNoBarrier, fiber.whole_block = false;
  }

  std::function<void()> body_;
  std::unique_ptr<unsigned char, Free> shared_;
  std::vector<Fiber> fibers_;
  ucontext_t scheduler_{};
  int running_ = 0;
  void* scheduler_fake_stack_ = nullptr;
  const void* scheduler_stack_ = nullptr;
  size_t scheduler_stack_bytes_ = 0;
};

inline unsigned char* dynamic_memory() { return Block::current()->shared(); }

// A launch `kernel<<<grid, block, bytes, stream>>>(arguments)`. The blocks run in random order.
template <typename Kernel, typename... Arguments>
void launch(dim3 grid, dim3 block, int64_t shared_bytes, void*, Kernel kernel, Arguments... arguments) {
  if (block.x == 0 || block.x > 1024 || block.y != 1 || block.z != 1) fail("the size of the block is invalid");
  if (grid.x == 0 || grid.y == 0 || grid.y > 65535 || grid.z != 1) fail("the size of the grid is invalid");
  std::vector<int64_t> order(int64_t(grid.x) * grid.y);
  for (size_t i = 0; i < order.size(); ++i) order[i] = int64_t(i);
  std::shuffle(order.begin(), order.end(), generator());
  gridDim = grid, blockDim = block;
  for (int64_t index : order) {
    blockIdx = dim3(index % grid.x, index / grid.x);
    Block(block.x, size_t(shared_bytes), [&] { kernel(arguments...); }).run();
  }
}

struct DeviceGuard {
  explicit DeviceGuard(int64_t) {}
};

}  // namespace cuda_on_cpu
