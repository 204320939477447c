caracal_benchmark(nft_bench
  SOURCES nft_bench.cc
  USES dataplane_nft dataplane_nft_testing dataplane_link)
