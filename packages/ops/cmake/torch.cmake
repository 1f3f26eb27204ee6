# The headers of the torch at hand, and stand-ins for its libraries.
#
# find_package(Torch) demands a CUDA toolkit as soon as that torch was built with CUDA, so the interpreter is asked.
# The stand-ins are empty libraries with the names of torch's: linking them writes the right DT_NEEDED entries,
# while no build ever depends on which symbols the torch at hand happens to export.

find_package(Python REQUIRED COMPONENTS Interpreter)
execute_process(
  COMMAND "${Python_EXECUTABLE}" -c
          "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0], end='')"
  OUTPUT_VARIABLE DETECTORY_TORCH
  RESULT_VARIABLE failed
)
if(failed OR NOT EXISTS "${DETECTORY_TORCH}/include/torch/csrc/stable/library.h")
  message(FATAL_ERROR "no torch >= 2.10 for ${Python_EXECUTABLE}: install it, or build without --no-build-isolation")
endif()

add_library(detectory_torch_headers INTERFACE)
target_include_directories(detectory_torch_headers SYSTEM INTERFACE "${DETECTORY_TORCH}/include")
target_compile_definitions(detectory_torch_headers INTERFACE TORCH_TARGET_VERSION=0x020a000000000000)

file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/stand_in.cpp" "")
foreach(name torch_cpu torch)
  add_library(${name} SHARED "${CMAKE_CURRENT_BINARY_DIR}/stand_in.cpp")
  set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY stand_ins)
endforeach()
