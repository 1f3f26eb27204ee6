// Run-time selection of the kernel build for this machine.
#pragma once

namespace detectory {

enum class InstructionSet { baseline = 0, avx2 = 1, avx512 = 2 };

// The best supported instruction set, limited by the environment variable DETECTORY_CPU_ISA (default, avx2, avx512), so
// that tests can run every build on one machine. Evaluated once.
InstructionSet instruction_set();

// An alias that allows function types in declarations: `Fn<void(int)> f;` declares f.
template <typename T>
using Fn = T;

// DETECTORY_KERNEL(name, result(arguments…)) declares one function per instruction set and name(), which returns a
// pointer to the best one. The definition is in <op>_kernel.cpp in namespace detectory::DETECTORY_ISA.
#if defined(DETECTORY_ISA_DISPATCH)
#define DETECTORY_KERNEL(name, ...) \
  namespace isa_default {           \
  Fn<__VA_ARGS__> name;             \
  }                                 \
  namespace isa_avx2 {              \
  Fn<__VA_ARGS__> name;             \
  }                                 \
  namespace isa_avx512 {            \
  Fn<__VA_ARGS__> name;             \
  }                                 \
  inline Fn<__VA_ARGS__>* name() {  \
    switch (instruction_set()) {    \
      case InstructionSet::avx512:  \
        return isa_avx512::name;    \
      case InstructionSet::avx2:    \
        return isa_avx2::name;      \
      default:                      \
        return isa_default::name;   \
    }                               \
  }
#elif defined(DETECTORY_ISA)
// A kernel file only needs the declaration for its build.
#define DETECTORY_KERNEL(name, ...) \
  namespace DETECTORY_ISA {         \
  Fn<__VA_ARGS__> name;             \
  }
#else
#define DETECTORY_KERNEL(name, ...) \
  namespace isa_default {           \
  Fn<__VA_ARGS__> name;             \
  }                                 \
  inline Fn<__VA_ARGS__>* name() { return isa_default::name; }
#endif

}  // namespace detectory
