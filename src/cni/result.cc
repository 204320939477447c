#include "cni/result.h"

#include "base/strings.h"

namespace caracal::cni {
namespace {

Result<std::optional<net::IpAddr>> optional_address(const json::value& value, std::string_view key,
                                                    const std::string& where) {
  const std::string_view text = jsonio::get_string(value, {key});
  if (text.empty()) return std::optional<net::IpAddr>();
  auto address = net::IpAddr::parse(text);
  if (!address) return fail(address.error().within(where + "." + std::string(key)));
  return std::optional<net::IpAddr>(*address);
}

Result<Address> parse_address(const json::value& value, size_t interfaces,
                              const std::string& where) {
  const std::string_view text = jsonio::get_string(value, {"address"});
  const size_t slash = text.find('/');
  auto address = net::IpAddr::parse(text.substr(0, slash));
  const auto bits =
      slash == std::string_view::npos
          ? std::nullopt
          : parse_decimal(text.substr(slash + 1), address && address->is_v4() ? 32 : 128);
  if (!address || !bits) {
    return fail(Errc::kInvalid, where + ".address \"" + std::string(text) +
                                    "\": must be an address with prefix length, as 10.1.2.3/24");
  }
  Address out{*address, static_cast<int>(*bits), std::nullopt, std::nullopt};
  CARACAL_ASSIGN(out.gateway, optional_address(value, "gateway", where));
  if (jsonio::get(value, {"interface"}) != nullptr) {
    const int64_t index = jsonio::get_int(value, {"interface"}, -1);
    if (index < 0 || static_cast<size_t>(index) >= interfaces) {
      return fail(Errc::kInvalid, where + ".interface: must be an index into interfaces");
    }
    out.interface = static_cast<size_t>(index);
  }
  return out;
}

}  // namespace

json::object render(const AddResult& result, Version version) {
  json::object object;
  object["cniVersion"] = to_string(version);
  json::array interfaces;
  for (const Interface& interface : result.interfaces) {
    json::object one;
    one["name"] = interface.name;
    if (!interface.mac.empty()) one["mac"] = interface.mac;
    if (version >= Version::k1_1_0 && interface.mtu != 0) one["mtu"] = interface.mtu;
    if (!interface.sandbox.empty()) one["sandbox"] = interface.sandbox;
    interfaces.push_back(std::move(one));
  }
  if (!interfaces.empty()) object["interfaces"] = std::move(interfaces);
  json::array ips;
  for (const Address& address : result.addresses) {
    json::object one;
    // The family was a field of its own until 1.0.0 took it away.
    if (version < Version::k1_0_0) one["version"] = address.address.is_v4() ? "4" : "6";
    one["address"] = address.address.to_string() + "/" + std::to_string(address.prefix_length);
    if (address.gateway) one["gateway"] = address.gateway->to_string();
    if (address.interface) one["interface"] = *address.interface;
    ips.push_back(std::move(one));
  }
  if (!ips.empty()) object["ips"] = std::move(ips);
  json::array routes;
  for (const Route& route : result.routes) {
    json::object one;
    one["dst"] = route.destination.to_string();
    if (route.gateway) one["gw"] = route.gateway->to_string();
    routes.push_back(std::move(one));
  }
  if (!routes.empty()) object["routes"] = std::move(routes);
  object["dns"] = result.dns;
  return object;
}

Result<AddResult> parse_add_result(const json::value& value, std::string_view where) {
  const std::string at(where);
  if (!value.is_object()) return fail(Errc::kInvalid, at + ": must be an object");
  AddResult result;
  for (const json::value& one : jsonio::get_array(value, {"interfaces"})) {
    const std::string_view name = jsonio::get_string(one, {"name"});
    if (name.empty()) {
      return fail(Errc::kInvalid, at + ".interfaces[" + std::to_string(result.interfaces.size()) +
                                      "].name: must be there");
    }
    const int64_t mtu = jsonio::get_int(one, {"mtu"});
    result.interfaces.push_back({std::string(name), std::string(jsonio::get_string(one, {"mac"})),
                                 std::string(jsonio::get_string(one, {"sandbox"})),
                                 mtu > 0 && mtu <= UINT32_MAX ? static_cast<uint32_t>(mtu) : 0});
  }
  for (const json::value& one : jsonio::get_array(value, {"ips"})) {
    CARACAL_ASSIGN(Address address,
                   parse_address(one, result.interfaces.size(),
                                 at + ".ips[" + std::to_string(result.addresses.size()) + "]"));
    result.addresses.push_back(address);
  }
  for (const json::value& one : jsonio::get_array(value, {"routes"})) {
    const std::string here = at + ".routes[" + std::to_string(result.routes.size()) + "]";
    auto destination = net::Cidr::parse(jsonio::get_string(one, {"dst"}));
    if (!destination) return fail(destination.error().within(here + ".dst"));
    CARACAL_ASSIGN(const std::optional<net::IpAddr> gateway, optional_address(one, "gw", here));
    result.routes.push_back({*destination, gateway});
  }
  result.dns = jsonio::get_object(value, {"dns"});
  return result;
}

AddResult chain(const AddResult& earlier, const AddResult& later) {
  AddResult out = earlier;
  out.interfaces.insert(out.interfaces.end(), later.interfaces.begin(), later.interfaces.end());
  for (Address address : later.addresses) {
    if (address.interface) *address.interface += earlier.interfaces.size();
    out.addresses.push_back(address);
  }
  out.routes.insert(out.routes.end(), later.routes.begin(), later.routes.end());
  if (out.dns.empty()) out.dns = later.dns;
  return out;
}

}  // namespace caracal::cni
