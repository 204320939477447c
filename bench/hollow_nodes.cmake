# The agent's own parts, many times in one process; driven by bench/convergence.
if(TARGET agent)
  caracal_program(hollow_nodes
    SOURCES hollow_nodes.cc hollow_node.cc kernel_observer.cc network_watch.cc
    USES agent)
endif()
