#include "instruction_set.h"

#include <cstdlib>
#include <cstring>

namespace detectory {

namespace {

InstructionSet offered() {
#if defined(DETECTORY_ISA_DISPATCH)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c") && __builtin_cpu_supports("lzcnt") &&
                  __builtin_cpu_supports("movbe");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return v4 ? InstructionSet::avx512 : v3 ? InstructionSet::avx2 : InstructionSet::baseline;
#else
  return InstructionSet::baseline;
#endif
}

InstructionSet wanted() {
  const char* name = std::getenv("DETECTORY_CPU_ISA");
  if (name && !std::strcmp(name, "default")) return InstructionSet::baseline;
  if (name && !std::strcmp(name, "avx2")) return InstructionSet::avx2;
  return InstructionSet::avx512;
}

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet chosen = wanted() < offered() ? wanted() : offered();
  return chosen;
}

}  // namespace detectory
