# The CUDA library is built if a compiler is found. CUDAARCHS (or CMAKE_CUDA_ARCHITECTURES) selects the GPUs: 90-real for
# development, "75-real;80-real;86-real;89-real;90-real;100-real;120" for releases.

if(DETECTORY_CUDA STREQUAL "OFF" OR DETECTORY_SANITIZE)
  message(STATUS "detectory-ops: CPU only, because of DETECTORY_CUDA or DETECTORY_SANITIZE")
  return()
endif()

include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(DETECTORY_CUDA STREQUAL "ON")
    message(FATAL_ERROR "DETECTORY_CUDA=ON, but a CUDA compiler was not found. Set CUDACXX to the path of nvcc")
  endif()
  message(STATUS "detectory-ops: CPU only, a CUDA compiler was not found")
  return()
endif()

if(NOT CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
  set(CMAKE_CUDA_ARCHITECTURES 90-real)
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)

detectory_library(_C_cuda torch ${cuda_sources})
target_compile_definitions(_C_cuda PRIVATE USE_CUDA)
target_compile_options(
  _C_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-O3 --threads=1 -Xcompiler=-Wall,-fvisibility=hidden
                  "-Xcompiler=-ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}=."
                  "-Xcompiler=-ffile-prefix-map=${DETECTORY_TORCH}=torch" --expt-relaxed-constexpr -Xcudafe=--display_error_number>)
# As on the CPU, kernels that make decisions (NMS, overlap) are compiled without contraction to fused multiply-adds.
set_source_files_properties(csrc/nms_cuda.cu csrc/rotated_cuda.cu csrc/boxes_cuda.cu PROPERTIES COMPILE_OPTIONS --fmad=false)
set_target_properties(_C_cuda PROPERTIES CUDA_VISIBILITY_PRESET hidden CUDA_RUNTIME_LIBRARY Static)
