// AddResult: what a plugin prints after ADD, in the shapes of the CNI versions 0.3.1 to 1.1.0.
//
// Rendered by the agent for the version of the request; parsed from prevResult of earlier plugins.
// Plain values, pure functions. Source: CNI specification, section 5, of each version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cni/version.h"
#include "jsonio/json.h"
#include "net/cidr.h"
#include "net/ip_addr.h"

namespace caracal::cni {

struct Interface {
  std::string name;
  std::string mac;
  std::string sandbox;  // path of the network namespace; empty on the host
  uint32_t mtu = 0;     // 1.1; 0: not said
  bool operator==(const Interface&) const = default;
};

struct Address {
  net::IpAddr address;
  int prefix_length = 0;
  std::optional<net::IpAddr> gateway;
  std::optional<size_t> interface;  // index into interfaces
  bool operator==(const Address&) const = default;
};

struct Route {
  net::Cidr destination;
  std::optional<net::IpAddr> gateway;
  bool operator==(const Route&) const = default;
};

struct AddResult {
  std::vector<Interface> interfaces;
  std::vector<Address> addresses;
  std::vector<Route> routes;
  json::object dns;  // as configured or as an earlier plugin said
  bool operator==(const AddResult&) const = default;
};

json::object render(const AddResult& result, Version version);
// Errors name the field below `where` ("prevResult").
Result<AddResult> parse_add_result(const json::value& value, std::string_view where);
// `later` behind `earlier`, its interface indexes moved: the result of a plugin further down a
// chain.
AddResult chain(const AddResult& earlier, const AddResult& later);

}  // namespace caracal::cni
