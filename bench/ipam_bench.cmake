caracal_benchmark(ipam_bench SOURCES ipam_bench.cc USES ipam ipam_testing apiserver)
