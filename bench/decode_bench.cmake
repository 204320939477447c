caracal_benchmark(decode_bench SOURCES decode_bench.cc USES kube)
