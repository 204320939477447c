caracal_benchmark(flowlog_bench SOURCES flowlog_bench.cc USES flowlog)
