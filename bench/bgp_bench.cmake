caracal_benchmark(bgp_bench SOURCES bgp_bench.cc USES bgp)
