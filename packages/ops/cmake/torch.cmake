# The headers of the installed torch, and stubs of its libraries.
#
# find_package(Torch) requires a CUDA toolkit if torch was built with CUDA, so the include folder is queried from Python.
# The stubs are empty libraries with the names of torch's: linking them creates the required DT_NEEDED entries without
# depending on the symbols exported by the installed torch.

find_package(Python REQUIRED COMPONENTS Interpreter)
execute_process(
  COMMAND "${Python_EXECUTABLE}" -c
          "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0], end='')"
  OUTPUT_VARIABLE DETECTORY_TORCH
  RESULT_VARIABLE failed
)
if(failed OR NOT EXISTS "${DETECTORY_TORCH}/include/torch/csrc/stable/library.h")
  message(FATAL_ERROR "torch >= 2.10 not found for ${Python_EXECUTABLE}. Install it, or build without --no-build-isolation")
endif()

add_library(detectory_torch_headers INTERFACE)
target_include_directories(detectory_torch_headers SYSTEM INTERFACE "${DETECTORY_TORCH}/include")
target_compile_definitions(detectory_torch_headers INTERFACE TORCH_TARGET_VERSION=0x020a000000000000)

file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/stand_in.cpp" "")
foreach(name torch_cpu torch)
  add_library(${name} SHARED "${CMAKE_CURRENT_BINARY_DIR}/stand_in.cpp")
  set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY stand_ins)
endforeach()
