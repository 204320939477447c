// AddressBlock: what routing needs to know of an IPAMBlock (calico.md 2.10): where its addresses
// are. Made by calico/decode_address_block from every block of the cluster, so it is small.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "net/cidr.h"

namespace caracal::model {

struct AddressBlock {
  net::Cidr cidr;
  std::string node;  // affine to; empty: nobody (or a virtual owner): only `elsewhere` is routed
  // Addresses in use by another node than `node` (borrowed), with that node; sorted.
  std::vector<std::pair<net::IpAddr, std::string>> elsewhere;
  bool operator==(const AddressBlock&) const = default;
};

}  // namespace caracal::model
