caracal_program(node_path
  SOURCES node_path.cc
  USES dataplane_nft dataplane_link dataplane_tunnel dataplane_fib dataplane_netrules jsonio)
