# caracal_library(NAME SOURCES a.cc ... [USES lib ...] [TESTS a_test.cc ...] [TEST_USES lib ...]
#                 [TEST_LABELS label ...])
#
# One static library a folder. USES is the whole list of what the folder may include and link: our
# libraries by folder name, dependencies by imported target. The tests of a folder become one program
# <name>_test; label "root" marks tests that make network namespaces.
function(caracal_library NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES;TESTS;TEST_USES;TEST_LABELS" ${ARGN})
  add_library(${NAME} STATIC ${ARG_SOURCES})
  target_link_libraries(${NAME} PUBLIC ${ARG_USES} PRIVATE caracal_options)
  target_include_directories(${NAME} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  if(CARACAL_TESTS AND ARG_TESTS)
    caracal_test(${NAME}_test SOURCES ${ARG_TESTS} USES ${NAME} ${ARG_TEST_USES}
                 LABELS ${ARG_TEST_LABELS})
  endif()
endfunction()

# caracal_test(NAME SOURCES ... USES ... [LABELS ...] [TIMEOUT seconds])
function(caracal_test NAME)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;USES;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  # Against tests that hang, on machines that are ten times slower and busy: none needs a tenth of it.
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 900)
  endif()
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${ARG_USES} GTest::gmock GTest::gtest_main caracal_options)
  target_compile_definitions(${NAME} PRIVATE CARACAL_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                             CARACAL_BINARY_DIR="${CMAKE_BINARY_DIR}")
  # A program per folder is one ctest entry: starting the sanitized program for each case costs more
  # than the cases.
  add_test(NAME ${NAME} COMMAND ${NAME})
  set_tests_properties(${NAME} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# caracal_program(NAME SOURCES ... USES ...)
function(caracal_program NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${ARG_USES} caracal_options)
  target_compile_definitions(${NAME} PRIVATE CARACAL_VERSION="${PROJECT_VERSION}")
  install(TARGETS ${NAME} RUNTIME DESTINATION bin)
endfunction()

# caracal_benchmark(NAME SOURCES ... USES ...)
function(caracal_benchmark NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${ARG_USES} benchmark::benchmark caracal_options)
endfunction()

# caracal_fuzz(NAME SOURCES ... USES ...): a libFuzzer target under the fuzz preset.
function(caracal_fuzz NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE ${ARG_USES} caracal_options)
  target_link_options(${NAME} PRIVATE -fsanitize=fuzzer)
endfunction()
