// The columns of EndpointSlice, NetworkPolicy and Lease.
#include <fmt/format.h>

#include "apimachinery/table_cells.h"

namespace caracal::apimachinery {
namespace {

json::value slice_ports_cell(const json::value& slice, Timestamp /*now*/) {
  std::vector<std::string> texts;
  for (const json::value& port : jsonio::get_array(slice, {"ports"})) {
    // Without a number the slice's endpoints are reached on every port.
    const json::value* number = jsonio::get(port, {"port"});
    texts.push_back(number != nullptr && number->is_number()
                        ? fmt::format("{}", jsonio::get_int(port, {"port"}))
                        : "*");
  }
  return text_value(first_three(texts, kUnset));
}

json::value slice_endpoints_cell(const json::value& slice, Timestamp /*now*/) {
  std::vector<std::string> texts;
  for (const json::value& endpoint : jsonio::get_array(slice, {"endpoints"})) {
    for (const json::value& address : jsonio::get_array(endpoint, {"addresses"})) {
      if (const json::string* text = address.if_string()) texts.emplace_back(*text);
    }
  }
  return text_value(first_three(texts, kUnset));
}

json::value pod_selector_cell(const json::value& policy, Timestamp /*now*/) {
  const json::value* selector = jsonio::get(policy, {"spec", "podSelector"});
  return text_value(selector != nullptr ? label_selector_text(*selector) : std::string(kNone));
}

}  // namespace

std::vector<TableColumn> endpoint_slice_columns() {
  return {name_column(),
          text_column("AddressType", "IPv4, IPv6 or FQDN",
                      [](const json::value& slice, Timestamp) {
                        return text_or(slice, {"addressType"}, "");
                      }),
          text_column("Ports", "Ports of every endpoint", slice_ports_cell),
          text_column("Endpoints", "Addresses", slice_endpoints_cell), age_column()};
}

std::vector<TableColumn> network_policy_columns() {
  return {name_column(),
          text_column("Pod-Selector", "Pods the policy applies to", pod_selector_cell),
          age_column()};
}

std::vector<TableColumn> lease_columns() {
  return {name_column(),
          text_column("Holder", "Who holds the lease",
                      [](const json::value& lease, Timestamp) {
                        return text_or(lease, {"spec", "holderIdentity"}, "");
                      }),
          age_column()};
}

}  // namespace caracal::apimachinery
