caracal_benchmark(ipam_bench
  SOURCES ipam_bench.cc ${CMAKE_SOURCE_DIR}/src/ipam/testing/memory_datastore.cc
  USES ipam apiserver)
