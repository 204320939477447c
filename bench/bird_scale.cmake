caracal_benchmark(bird_scale SOURCES bird_scale.cc USES bgp)
