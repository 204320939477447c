caracal_benchmark(analysis_bench SOURCES analysis_bench.cc USES analysis policy_oracle)
