#include "calico/decode_entity_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "kube/decode_fields.h"
#include "selector/expression.h"

namespace caracal::calico {
namespace {

using selector::Op;
using selector::Selector;

constexpr std::array<std::string_view, 9> kEntityFields = {
    "nets",     "notNets", "selector", "notSelector",    "namespaceSelector",
    "services", "ports",   "notPorts", "serviceAccounts"};
constexpr std::array<std::string_view, 2> kServiceFields = {"name", "namespace"};
constexpr std::array<std::string_view, 2> kAccountFields = {"names", "selector"};

class EntityReader {
 public:
  EntityReader(const json::object& entity, const FieldPath& path, const std::string& ns,
               ObjectReader& reader)
      : entity_(entity), path_(path), ns_(ns), reader_(reader) {}

  EntityRule read(bool destination, bool service_side) {
    result_.unknown_field = reader_.has_unknown(entity_, path_, kEntityFields);
    read_nets();
    read_selectors();
    result_.ports = ports("ports");
    result_.not_ports = ports("notPorts");
    read_service(destination, service_side);
    return std::move(result_);
  }

 private:
  bool given(std::string_view name) const {
    const json::value* value = kube::member(entity_, name);
    if (value == nullptr) return false;
    if (value->is_string()) return !value->get_string().empty();
    return !value->is_array() || !value->get_array().empty();
  }

  std::vector<model::Peer> nets(std::string_view name) {
    std::vector<model::Peer> peers;
    const FieldPath list = path_.member(name);
    reader_.limit(reader_.array(entity_, name, path_), kMaxNets, name, list);
    for (const auto& [text, index] : reader_.texts(entity_, name, path_)) {
      const FieldPath path = list.element(index);
      const auto cidr = reader_.cidr(text, path);
      if (!cidr) continue;
      if (name == "notNets" && cidr->bits() == 0) {
        reader_.invalid(path, json::string(text), "excludes every address of its family");
      }
      result_.families.push_back(cidr->family());
      peers.emplace_back(model::CidrPeer{*cidr, {}});
    }
    return peers;
  }

  void read_nets() {
    std::vector<model::Peer> positive = nets("nets");
    if (given("nets")) result_.match.all_of.push_back(std::move(positive));
    std::vector<model::Peer> negative = nets("notNets");
    std::move(negative.begin(), negative.end(), std::back_inserter(result_.match.none_of));
  }

  // names: one of these; selector: by the labels of the account.
  void read_accounts(std::vector<Selector>& parts) {
    const json::object* accounts = reader_.object(entity_, "serviceAccounts", path_);
    if (accounts == nullptr) return;
    const FieldPath path = path_.member("serviceAccounts");
    if (reader_.has_unknown(*accounts, path, kAccountFields)) result_.unknown_field = true;
    std::vector<std::string> names;
    for (const auto& [name, index] : reader_.texts(*accounts, "names", path)) {
      names.emplace_back(name);
    }
    if (!names.empty()) {
      parts.push_back(
          Selector::requirement(Op::kIn, std::string(kServiceAccountLabel), std::move(names)));
    }
    auto labels = decode_selector(
        *accounts, path, {.name = "selector", .key_prefix = kServiceAccountPrefix}, reader_);
    if (labels) parts.push_back(std::move(*labels));
  }

  // The rules of calico.md 3.4. A positive and a negative selector are one set; a negative one
  // alone also lets through addresses that are no endpoint's.
  void read_selectors() {
    const Selector in_namespace = in_some_namespace();
    std::vector<Selector> parts;
    auto own = decode_selector(entity_, path_, {.name = "selector"}, reader_);
    auto excluded = decode_selector(entity_, path_, {.name = "notSelector"}, reader_);
    auto namespaces = decode_selector(entity_, path_,
                                      {.name = "namespaceSelector",
                                       .key_prefix = kNamespacePrefix,
                                       .all_means = &in_namespace,
                                       .global_allowed = true},
                                      reader_);
    if (own) parts.push_back(std::move(*own));
    read_accounts(parts);
    if (namespaces) parts.push_back(*namespaces);
    const bool any = given("selector") || given("notSelector") || given("namespaceSelector") ||
                     given("serviceAccounts");
    if (!any) return;
    model::EndpointPeer peer;
    peer.inherited = true;
    if (!ns_.empty() && !given("namespaceSelector")) peer.in_namespace = ns_;
    const bool positive = peer.in_namespace || given("selector") || given("namespaceSelector") ||
                          given("serviceAccounts");
    if (!positive) {
      peer.pods = excluded.value_or(Selector());
      result_.match.none_of.emplace_back(std::move(peer));
      return;
    }
    if (excluded) parts.push_back(Selector::negation(std::move(*excluded)));
    peer.pods = Selector::all_of(std::move(parts));
    result_.match.all_of.push_back({model::Peer(std::move(peer))});
  }

  static bool is_port_name(std::string_view text) {
    return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '.' || c == '-';
    });
  }

  static std::optional<uint16_t> port_number(std::string_view text) {
    const auto number = parse_decimal(text, 65535);
    if (!number || *number == 0) return std::nullopt;
    return static_cast<uint16_t>(*number);
  }

  std::optional<PortSpec> port(const json::value& value) {
    if (value.is_int64()) {
      const int64_t number = value.get_int64();
      if (number < 1 || number > 65535) return std::nullopt;
      const auto port = static_cast<uint16_t>(number);
      return net::PortRange{port, port};
    }
    const json::string* string = value.if_string();
    if (string == nullptr) return std::nullopt;
    const std::string_view text(string->data(), string->size());
    if (const auto number = port_number(text)) return net::PortRange{*number, *number};
    const size_t colon = text.find(':');
    if (colon != std::string_view::npos) {
      const auto first = port_number(text.substr(0, colon));
      const auto last = port_number(text.substr(colon + 1));
      if (!first || !last || *first > *last) return std::nullopt;
      return net::PortRange{*first, *last};
    }
    const bool digits =
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits || !is_port_name(text)) return std::nullopt;
    return std::string(text);
  }

  std::vector<PortSpec> ports(std::string_view name) {
    std::vector<PortSpec> result;
    const json::array* list = reader_.array(entity_, name, path_);
    if (list == nullptr) return result;
    const FieldPath path = path_.member(name);
    reader_.limit(list, kMaxPorts, name, path);
    for (size_t i = 0; i < list->size(); ++i) {
      if (auto spec = port((*list)[i])) {
        result.push_back(std::move(*spec));
      } else {
        reader_.invalid(path.element(i), (*list)[i],
                        "must be a port between 1 and 65535, a range \"FIRST:LAST\" of them, or "
                        "the name of a port (up to 128 letters, digits, '_', '.', '-')");
      }
    }
    return result;
  }

  void read_service(bool destination, bool service_side) {
    const json::object* service = reader_.object(entity_, "services", path_);
    if (service == nullptr) return;
    const FieldPath path = path_.member("services");
    result_.has_service = true;
    if (reader_.has_unknown(*service, path, kServiceFields)) result_.unknown_field = true;
    if (!service_side) {
      reader_.forbidden(path,
                        "services may stand only in the source of ingress rules and the "
                        "destination of egress rules");
    }
    for (const std::string_view other :
         {"selector", "notSelector", "namespaceSelector", "nets", "notNets", "serviceAccounts"}) {
      if (given(other)) reader_.forbidden(path, fmt::format("cannot stand beside {}", other));
    }
    for (const std::string_view other : {"ports", "notPorts"}) {
      if (destination && given(other)) {
        reader_.forbidden(path, fmt::format("cannot stand beside {}: the ports are those of the "
                                            "service",
                                            other));
      }
    }
    model::ServicePeer peer;
    peer.service.name = reader_.text(*service, "name", path);
    peer.service.ns = reader_.text(*service, "namespace", path);
    if (peer.service.name.empty()) reader_.required(path.member("name"));
    if (peer.service.ns.empty()) peer.service.ns = ns_;
    if (peer.service.ns.empty()) {
      reader_.required(path.member("namespace"), "a global policy has no namespace of its own");
    }
    result_.match.all_of.push_back({model::Peer(std::move(peer))});
  }

  const json::object& entity_;
  const FieldPath& path_;
  const std::string& ns_;
  ObjectReader& reader_;
  EntityRule result_;
};

}  // namespace

Selector in_some_namespace() {
  return Selector::requirement(Op::kExists, std::string(kNamespaceLabel));
}
Selector with_some_service_account() {
  return Selector::requirement(Op::kExists, std::string(kServiceAccountLabel));
}

bool EntityRule::numeric_ports() const {
  const auto numeric = [](const PortSpec& port) {
    return std::holds_alternative<net::PortRange>(port);
  };
  return std::any_of(ports.begin(), ports.end(), numeric) ||
         std::any_of(not_ports.begin(), not_ports.end(), numeric);
}

EntityRule decode_entity_rule(const json::object& entity, const FieldPath& path,
                              const std::string& ns, bool destination, bool service_side,
                              ObjectReader& reader) {
  return EntityReader(entity, path, ns, reader).read(destination, service_side);
}

std::optional<Selector> decode_selector(const json::object& parent, const FieldPath& path,
                                        const SelectorField& field, ObjectReader& reader) {
  const std::string_view text = reader.text(parent, field.name, path);
  if (text.empty()) return std::nullopt;
  selector::ExpressionReading reading;
  reading.key_prefix = field.key_prefix;
  if (field.all_means != nullptr) reading.all_means = *field.all_means;
  if (field.global_allowed) {
    reading.global = selector::ExpressionReading::Global::kAlone;
    reading.global_means = Selector::negation(in_some_namespace());
  }
  auto selector = selector::parse_expression(text, reading);
  if (selector) return std::move(*selector);
  // The text stands in the problem already.
  std::string_view message = selector.error().message;
  const std::string prefix = fmt::format("selector \"{}\": ", text);
  if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
  reader.invalid(path.member(field.name), json::string(text), std::string(message));
  return std::nullopt;
}

}  // namespace caracal::calico
