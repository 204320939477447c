// What the tests of route make their worlds from.
#pragma once

#include <string>
#include <string_view>

#include "model/network_update.h"

namespace caracal::route {

inline net::Cidr cidr(std::string_view text) { return net::Cidr::parse_or_host(text).value(); }
inline net::IpAddr ip(std::string_view text) { return net::IpAddr::parse(text).value(); }

inline model::NodeAddress node_address(std::string_view text) {
  const net::Cidr subnet = cidr(text);
  return {ip(text.substr(0, text.find('/'))), subnet.bits()};
}

// `address`: "192.0.2.1/24".
inline model::NodeNetwork make_node(const std::string& name, std::string_view address,
                                    std::string_view address_v6 = {}) {
  model::NodeNetwork node;
  node.name = name;
  if (!address.empty()) node.v4.address = node_address(address);
  if (!address_v6.empty()) node.v6.address = node_address(address_v6);
  return node;
}

inline model::IpPool make_pool(const std::string& name, std::string_view range,
                               model::Encapsulation encapsulation = model::Encapsulation::kNone,
                               bool cross_subnet = false) {
  model::IpPool pool;
  pool.name = name;
  pool.cidr = cidr(range);
  pool.encapsulation = encapsulation;
  pool.cross_subnet = cross_subnet;
  return pool;
}

inline model::NetworkUpdate said(const model::NodeNetwork& node) {
  return model::NodeNetworkUpdate{node.name, node};
}
inline model::NetworkUpdate said(const model::IpPool& pool) {
  return model::IpPoolUpdate{pool.name, pool};
}
inline model::NetworkUpdate said(const model::AddressBlock& block) {
  return model::AddressBlockUpdate{block.cidr, block};
}
inline model::NetworkUpdate block_of(std::string_view range, const std::string& node) {
  return said(model::AddressBlock{cidr(range), node, {}});
}

}  // namespace caracal::route
