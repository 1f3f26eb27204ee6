# Compiler and linker options of all libraries in this package.

set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_SKIP_RPATH ON) # torch's libraries are already loaded

# Without contraction, kernels return identical results on all instruction sets, unless they use fma explicitly.
set(DETECTORY_CXX_OPTIONS
    -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -Wall -Wextra -Wno-psabi
    "-ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}=." "-ffile-prefix-map=${DETECTORY_TORCH}=torch")
if(DETECTORY_SANITIZE)
  list(APPEND DETECTORY_CXX_OPTIONS -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
       -fno-omit-frame-pointer)
endif()

function(detectory_compile_options target)
  target_link_libraries(${target} PRIVATE detectory_torch_headers)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${DETECTORY_CXX_OPTIONS}>)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
                                             VISIBILITY_INLINES_HIDDEN ON)
endfunction()

function(detectory_library name torch_library)
  add_library(${name} MODULE ${ARGN})
  detectory_compile_options(${name})
  set_target_properties(${name} PROPERTIES PREFIX "")
  target_link_libraries(${name} PRIVATE ${torch_library})
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(${name} PRIVATE -Wl,--no-as-needed -Wl,--exclude-libs,ALL -Wl,--gc-sections)
    if(NOT DETECTORY_SANITIZE)
      target_link_options(${name} PRIVATE -Wl,--strip-all)
    endif()
  endif()
  separate_arguments(options UNIX_COMMAND "${DETECTORY_LINK_OPTIONS}")
  target_link_options(${name} PRIVATE ${options})
  if(DETECTORY_SANITIZE)
    target_link_options(${name} PRIVATE -fsanitize=address,undefined)
  endif()
  install(TARGETS ${name} LIBRARY DESTINATION .)
endfunction()
