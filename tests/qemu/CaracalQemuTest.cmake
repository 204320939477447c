# caracal_qemu_test(NAME PROGRAM target [ARGUMENTS arg ...] [FILES path ...] [TIMEOUT seconds]
#                   [MEMORY MiB])
#
# A test program once more, inside QEMU with Debian's kernel (tests/qemu/run.sh): for what the kernel
# of a build machine may not have. Skipped where QEMU or that kernel is missing.
function(caracal_qemu_test NAME)
  cmake_parse_arguments(ARG "" "PROGRAM;TIMEOUT;MEMORY" "ARGUMENTS;FILES" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  set(files)
  if(ARG_FILES)
    set(files --files ${ARG_FILES})
  endif()
  if(ARG_MEMORY)
    list(PREPEND files --memory ${ARG_MEMORY})
  endif()
  add_test(NAME ${NAME}
    COMMAND ${CMAKE_SOURCE_DIR}/tests/qemu/run.sh --time ${ARG_TIMEOUT} --env CARACAL_TEST_ALL_TUNNELS=1
            ${files} -- $<TARGET_FILE:${ARG_PROGRAM}> ${ARG_ARGUMENTS})
  # The machine's own time is over first and shows its console. One machine at a time, for the sake of
  # memory; early, since nothing takes longer (ctest -j begins with what costs most).
  math(EXPR later "${ARG_TIMEOUT} + 60")
  set_tests_properties(${NAME} PROPERTIES LABELS "qemu" TIMEOUT ${later} SKIP_RETURN_CODE 77
                       RESOURCE_LOCK qemu COST ${ARG_TIMEOUT})
endfunction()
