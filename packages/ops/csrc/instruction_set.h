// Which build of a kernel runs on this machine.
#pragma once

namespace detectory {

enum class InstructionSet { baseline = 0, avx2 = 1, avx512 = 2 };

// What the processor offers, capped by the environment variable DETECTORY_CPU_ISA (default, avx2, avx512), which lets
// the tests run every build on one machine. Read once.
InstructionSet instruction_set();

// A function type as a name, so that a declaration can use it: `Fn<void(int)> f;` declares f.
template <typename T>
using Fn = T;

// DETECTORY_KERNEL(name, result(arguments…)) declares one function per instruction set and name(), which returns a
// pointer to the best of them. The definition stands in <op>_kernel.cpp inside namespace detectory::DETECTORY_ISA.
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
// Inside a kernel file only the declaration of the build at hand is wanted.
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
