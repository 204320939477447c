caracal_benchmark(route_program_bench
  SOURCES route_program_bench.cc
  USES dataplane_tunnel dataplane_fib dataplane_netrules)
