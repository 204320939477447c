caracal_benchmark(engine_events SOURCES engine_events.cc USES policy dataplane_nft)
