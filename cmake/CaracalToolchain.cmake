# Compiler settings for our own code. Dependencies are included as SYSTEM, so warnings are ours alone.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

option(CARACAL_PROGRAMS "build the programs of cmd/" ON)
option(CARACAL_TESTS "build the tests" ON)
option(CARACAL_BENCH "build the benchmarks" OFF)
option(CARACAL_FUZZ "build the fuzz targets (clang only)" OFF)
option(CARACAL_STATIC_CNI "link caracal-cni statically (not with sanitizers)" ON)
set(CARACAL_SANITIZE "" CACHE STRING "sanitizers, as in -fsanitize=")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Applied by caracal_library() and friends, hence to our sources only.
add_library(caracal_options INTERFACE)
target_compile_options(caracal_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  -Wno-missing-field-initializers  # designated initializers leave out what keeps its default
  $<$<AND:$<CONFIG:Release>,$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>  # gcc 12 sees, optimising, overlaps in std::string's operator+ (PR 105651)
  -Werror
  -fno-omit-frame-pointer)
target_include_directories(caracal_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  # -Og keeps the sanitized tests quick; -g1 is enough for a backtrace and halves the objects.
  target_compile_options(caracal_options INTERFACE -Og -g1)
  target_compile_definitions(caracal_options INTERFACE _GLIBCXX_ASSERTIONS)
endif()
if(CARACAL_SANITIZE)
  target_compile_options(caracal_options INTERFACE -fsanitize=${CARACAL_SANITIZE}
    -fno-sanitize-recover=all)
  target_link_options(caracal_options INTERFACE -fsanitize=${CARACAL_SANITIZE})
  set(CARACAL_STATIC_CNI OFF)
endif()
