caracal_benchmark(engine_packets
  SOURCES engine_packets.cc
  USES policy dataplane_nft dataplane_nft_testing)
