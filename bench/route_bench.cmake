caracal_benchmark(route_bench SOURCES route_bench.cc USES route)
