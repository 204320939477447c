// FrrRouter: a real FRR (zebra, bgpd, bfdd) on a host of a BirdNetwork, as the router of the rack.
#pragma once

#include <string>

#include "bgp/testing/bgp_fixture.h"

namespace caracal::bgp::testing {

class WithFrr : public BgpRoot {
 protected:
  // How bgpd's configuration of the rack's router begins, 10.0.0.254 with an AS of its own.
  inline static const std::string kRackRouter =
      "router bgp 65000\n"
      " bgp router-id 10.0.0.254\n"
      " no bgp ebgp-requires-policy\n";

  void SetUp() override;
  // `bgp`: bgpd's configuration. REQUIRES: net->add_host(host, ...). `bfd`: with bfdd.
  void start_frr(const std::string& host, const std::string& bgp, bool bfd = false);
  // What vtysh says.
  std::string ask_frr(const std::string& host, const std::string& question);

 private:
  std::string folder(const std::string& host) const { return net->folder() + "/" + host; }
};

}  // namespace caracal::bgp::testing
