caracal_benchmark(selector_bench SOURCES selector_bench.cc USES policy)
