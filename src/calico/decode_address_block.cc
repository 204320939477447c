#include "calico/decode_address_block.h"

#include <string_view>
#include <vector>

#include "calico/network_fields.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

constexpr FieldPath kSpec("spec");
constexpr std::string_view kHost = "host:";
constexpr std::string_view kVirtual = "virtual:";
// An IPv4 block has at most 2^12 addresses, an IPv6 one as many.
constexpr int kMostBits = 12;

std::string_view text_of(const json::object& parent, std::string_view name) {
  const json::value* value = parent.if_contains(name);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

// The node that uses the address; empty: none.
std::string_view node_of(const json::value& attribute) {
  const json::object* members = attribute.if_object();
  if (members == nullptr || kube::member(*members, "releasedAt") != nullptr) return {};
  const json::value* secondary = members->if_contains("secondary");
  if (secondary == nullptr || !secondary->is_object()) return {};
  return text_of(secondary->get_object(), "node");
}

void read_elsewhere(const json::object& spec, model::AddressBlock& block) {
  const json::value* attributes = spec.if_contains("attributes");
  const json::value* allocations = spec.if_contains("allocations");
  if (attributes == nullptr || !attributes->is_array() || allocations == nullptr ||
      !allocations->is_array()) {
    return;
  }
  std::vector<std::string_view> nodes;  // by attribute; empty: none or the block's own
  nodes.reserve(attributes->get_array().size());
  bool any = false;
  for (const json::value& attribute : attributes->get_array()) {
    std::string_view node = node_of(attribute);
    if (node == block.node) node = {};
    any = any || !node.empty();
    nodes.push_back(node);
  }
  if (!any) return;
  net::IpAddr address = block.cidr.first();
  for (const json::value& index : allocations->get_array()) {
    if (!block.cidr.contains(address)) return;
    if (index.is_int64() && index.get_int64() >= 0 &&
        static_cast<size_t>(index.get_int64()) < nodes.size()) {
      const std::string_view node = nodes[static_cast<size_t>(index.get_int64())];
      if (!node.empty()) block.elsewhere.emplace_back(address, node);
    }
    address = address.next();
    if (address == net::IpAddr::first(address.family())) return;  // behind the last one of all
  }
}

}  // namespace

std::optional<model::AddressBlock> decode_address_block(const json::object& object,
                                                        ObjectReader& reader) {
  const json::object& spec = spec_of(object, reader);
  const auto cidr = required_cidr(spec, "cidr", kSpec, reader);
  if (!cidr) return std::nullopt;
  if (address_bits(cidr->family()) - cidr->bits() > kMostBits) {
    reader.invalid(kSpec.member("cidr"), json::string(cidr->to_string()),
                   "must be a block: /20 or smaller, /116 or smaller in IPv6");
    return std::nullopt;
  }
  model::AddressBlock block;
  block.cidr = *cidr;
  const std::string_view affinity = reader.text(spec, "affinity", kSpec);
  if (affinity.starts_with(kHost) && affinity.size() > kHost.size()) {
    block.node = affinity.substr(kHost.size());
  } else if (!affinity.empty() && !affinity.starts_with(kVirtual)) {
    reader.invalid(kSpec.member("affinity"), json::string(affinity),
                   "must be host:NODE or virtual:OWNER");
    return std::nullopt;
  }
  read_elsewhere(spec, block);
  return block;
}

}  // namespace caracal::calico
