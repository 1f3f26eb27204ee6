# Kernels are compiled once per instruction set and chosen at run time (csrc/instruction_set.h), so that one wheel runs
# on every x86-64 and is fast on new ones.
#
# A template that two of these objects instantiate would be merged by the linker, and the AVX-512 copy could win on a
# machine without AVX-512. -fno-weak makes every such function local to its object. Only GCC has it; other compilers
# build the baseline alone.

set(DETECTORY_ISA_default "")
set(DETECTORY_ISA_avx2 -march=x86-64-v3 -fno-weak)
set(DETECTORY_ISA_avx512 -march=x86-64-v4 -mprefer-vector-width=512 -fno-weak)

set(DETECTORY_ISAS default)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND DETECTORY_ISAS avx2 avx512)
endif()

# Sums of many products gain from fused multiply-adds and decide nothing.
set(DETECTORY_FUSED channel_blocks roi_align roi_align_rotated deform_conv ms_deform_attn point_sample winograd)

function(detectory_kernels library)
  foreach(stem ${DETECTORY_FUSED})
    set_source_files_properties(csrc/${stem}_kernel.cpp PROPERTIES COMPILE_OPTIONS -ffp-contract=fast)
  endforeach()
  foreach(isa ${DETECTORY_ISAS})
    set(target ${library}_kernels_${isa})
    add_library(${target} OBJECT ${ARGN})
    detectory_compile_options(${target})
    target_compile_options(${target} PRIVATE ${DETECTORY_ISA_${isa}})
    target_compile_definitions(${target} PRIVATE DETECTORY_ISA=isa_${isa} DETECTORY_ISA_${isa}=1)
    target_sources(${library} PRIVATE $<TARGET_OBJECTS:${target}>)
  endforeach()
  if("avx512" IN_LIST DETECTORY_ISAS)
    target_compile_definitions(${library} PRIVATE DETECTORY_ISA_DISPATCH=1)
  endif()
endfunction()
