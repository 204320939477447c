caracal_benchmark(policy_bench SOURCES policy_bench.cc USES policy)
