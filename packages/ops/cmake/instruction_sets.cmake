# Kernels are compiled once per instruction set and selected at run time (csrc/instruction_set.h), so that a single wheel
# runs on every x86-64 processor and uses the vector units of recent ones.
#
# The linker merges templates that are instantiated in several of these objects, and could select the AVX-512 copy on a
# machine without AVX-512. -fno-weak makes all such functions local to their object. Only GCC supports it; other
# compilers only build the baseline.

set(DETECTORY_ISA_default "")
set(DETECTORY_ISA_avx2 -march=x86-64-v3 -fno-weak)
set(DETECTORY_ISA_avx512 -march=x86-64-v4 -mprefer-vector-width=512 -fno-weak)

set(DETECTORY_ISAS default)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND DETECTORY_ISAS avx2 avx512)
endif()

# These kernels only compute sums of products, which benefit from fused multiply-adds.
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
