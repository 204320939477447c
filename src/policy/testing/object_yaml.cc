#include "policy/testing/object_yaml.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "jsonio/yaml.h"

namespace caracal::policy_testing {
namespace {

constexpr std::array<std::string_view, 3> kToHost = {"Drop", "Return", "Accept"};

json::object labels_to_json(const model::Labels& labels) {
  json::object out;
  for (const auto& [key, value] : labels) out[key] = value;
  return out;
}

template <typename List>
json::array texts(const List& list) {
  json::array out;
  for (const auto& item : list) out.emplace_back(item.to_string());
  return out;
}

std::string port_text(const std::string& name, net::Protocol protocol, uint16_t port) {
  return fmt::format("{}={}:{}", name, protocol.to_string(), port);
}

template <typename Port>
json::array ports_to_json(const std::vector<Port>& ports) {
  json::array out;
  for (const Port& port : ports) out.emplace_back(port_text(port.name, port.protocol, port.port));
  return out;
}

json::object head(std::string_view kind, const model::ObjectName& name) {
  json::object out{{"kind", kind}};
  if (!name.ns.empty()) out["namespace"] = name.ns;
  out["name"] = name.name;
  return out;
}

void add_labels(json::object& out, const model::Labels& labels) {
  if (!labels.empty()) out["labels"] = labels_to_json(labels);
}

json::array failsafes_to_json(const std::vector<model::Failsafe>& list) {
  json::array out;
  for (const model::Failsafe& failsafe : list) {
    json::object item{{"port", port_text("", failsafe.protocol, failsafe.port)}};
    if (failsafe.net) item["net"] = failsafe.net->to_string();
    out.emplace_back(std::move(item));
  }
  return out;
}

struct Write {
  json::object operator()(const model::PodUpdate& u) const {
    const model::Pod& pod = *u.value;
    json::object out = head("Pod", pod.name);
    add_labels(out, pod.labels);
    if (!pod.service_account.empty()) out["serviceAccount"] = pod.service_account;
    if (!pod.node.empty()) out["node"] = pod.node;
    if (!pod.addresses.empty()) out["addresses"] = texts(pod.addresses);
    if (!pod.ports.empty()) out["ports"] = ports_to_json(pod.ports);
    if (pod.host_network) out["hostNetwork"] = true;
    if (pod.finished) out["finished"] = true;
    return out;
  }
  json::object operator()(const model::NamespaceUpdate& u) const {
    json::object out = head("Namespace", {"", u.key});
    add_labels(out, u.value->labels);
    return out;
  }
  json::object operator()(const model::NodeUpdate& u) const {
    json::object out = head("Node", {"", u.key});
    add_labels(out, u.value->labels);
    out["addresses"] = texts(u.value->internal_addresses);
    return out;
  }
  json::object operator()(const model::PolicyUpdate& u) const {
    json::object out;
    if (u.value) {
      out = policy_to_json(*u.value);
    } else {
      out = policy_to_json(model::enforced_form(u));
    }
    if (u.invalid) out["invalid"] = *u.invalid;
    return out;
  }
  json::object operator()(const model::LocalEndpointUpdate& u) const {
    json::object out = head("LocalEndpoint", {u.value->pod.ns, u.key});
    out["pod"] = u.value->pod.name;
    out["addresses"] = texts(u.value->addresses);
    return out;
  }
  json::object operator()(const model::TierUpdate& u) const {
    json::object out = head("Tier", {"", u.key});
    if (u.value->order != std::numeric_limits<double>::infinity()) out["order"] = u.value->order;
    out["defaultAction"] = u.value->default_action == model::Action::kPass ? "Pass" : "Deny";
    return out;
  }
  json::object operator()(const model::NetworkSetUpdate& u) const {
    json::object out = head("NetworkSet", u.key);
    add_labels(out, u.value->labels);
    out["nets"] = texts(u.value->nets);
    return out;
  }
  json::object operator()(const model::ServiceAccountUpdate& u) const {
    json::object out = head("ServiceAccount", u.key);
    add_labels(out, u.value->labels);
    return out;
  }
  json::object operator()(const model::EndpointSliceUpdate& u) const {
    json::object out = head("EndpointSlice", u.key);
    out["service"] = u.value->service;
    out["addresses"] = texts(u.value->addresses);
    out["ports"] = ports_to_json(u.value->ports);
    return out;
  }
  json::object operator()(const model::HostEndpointUpdate& u) const {
    const model::HostEndpoint& host = *u.value;
    json::object out = head("HostEndpoint", {"", host.name});
    add_labels(out, host.labels);
    out["node"] = host.node;
    out["interface"] = host.interface;
    out["addresses"] = texts(host.addresses);
    json::array& profiles = out["profiles"].emplace_array();
    for (const std::string& profile : host.profiles) profiles.emplace_back(profile);
    if (!host.ports.empty()) out["ports"] = ports_to_json(host.ports);
    return out;
  }
  json::object operator()(const model::HostInterfaceUpdate& u) const {
    json::object out = head("HostInterface", {"", u.key});
    out["addresses"] = texts(u.value->addresses);
    return out;
  }
  json::object operator()(const model::PolicySettingsUpdate& u) const {
    json::object out{{"kind", "Settings"}};
    out["inbound"] = failsafes_to_json(u.value->inbound);
    out["outbound"] = failsafes_to_json(u.value->outbound);
    out["toHost"] = kToHost[static_cast<size_t>(u.value->to_host)];
    return out;
  }
};

// Reads one object; the first thing that is wrong is kept.
class Reader {
 public:
  explicit Reader(const json::value& object) : object_(object) {}

  Result<model::Update> read() {
    const std::string_view kind = jsonio::get_string(object_, {"kind"});
    std::optional<model::Update> out = read_kind(kind);
    if (!out && error_.empty()) error_ = "kind: unknown";
    if (!error_.empty())
      return fail(Errc::kInvalid,
                  fmt::format("{} {}: {}", kind, jsonio::get_string(object_, {"name"}), error_));
    return *out;
  }

 private:
  std::string text(std::string_view field) const {
    return std::string(jsonio::get_string(object_, {field}));
  }
  model::ObjectName name() const { return {text("namespace"), text("name")}; }
  template <typename T>
  T keep(Result<T> result) {
    if (result) return std::move(*result);
    if (error_.empty()) error_ = result.error().message;
    return T();
  }
  model::Labels labels() const {
    model::Labels out;
    for (const auto& member : jsonio::get_object(object_, {"labels"}))
      out[std::string(member.key())] = jsonio::get_string(member.value(), {});
    return out;
  }
  std::vector<net::IpAddr> addresses() {
    std::vector<net::IpAddr> out;
    for (const json::value& item : jsonio::get_array(object_, {"addresses"}))
      out.push_back(keep(net::IpAddr::parse(jsonio::get_string(item, {}))));
    return out;
  }
  model::NamedPort port(std::string_view entry) {
    const size_t equals = entry.find('=');
    const auto match = keep(parse_port(entry.substr(equals + 1)));
    const auto* range = std::get_if<net::PortRange>(&match.port);
    if (equals == std::string_view::npos || range == nullptr)
      error_ = fmt::format("port \"{}\": must be NAME=PROTOCOL:NUMBER", entry);
    return {std::string(entry.substr(0, equals)), match.protocol,
            range ? range->first : uint16_t{0}};
  }
  std::vector<model::NamedPort> ports() {
    std::vector<model::NamedPort> out;
    for (const json::value& item : jsonio::get_array(object_, {"ports"}))
      out.push_back(port(jsonio::get_string(item, {})));
    return out;
  }
  std::vector<model::Failsafe> failsafes(std::string_view field) {
    std::vector<model::Failsafe> out;
    for (const json::value& item : jsonio::get_array(object_, {field})) {
      const model::NamedPort number = port(jsonio::get_string(item, {"port"}));
      model::Failsafe failsafe{number.protocol, number.port, std::nullopt};
      if (const auto net = jsonio::get_string(item, {"net"}); !net.empty())
        failsafe.net = keep(net::Cidr::parse(net));
      out.push_back(failsafe);
    }
    return out;
  }

  std::optional<model::Update> read_kind(std::string_view kind) {
    if (kind == "Pod") return read_pod();
    if (kind == "Namespace")
      return model::NamespaceUpdate{text("name"), model::Namespace{text("name"), labels()}};
    if (kind == "Node") {
      model::Node node;
      node.name = text("name");
      node.labels = labels();
      node.internal_addresses = addresses();
      return model::NodeUpdate{node.name, node};
    }
    if (kind == "Policy") {
      model::Policy policy = keep(policy_from_json(object_));
      model::PolicyUpdate update{policy.id, policy, {}};
      if (jsonio::get(object_, {"invalid"}) != nullptr) update.invalid = text("invalid");
      return update;
    }
    if (kind == "LocalEndpoint")
      return model::LocalEndpointUpdate{
          text("name"),
          model::LocalEndpoint{{text("namespace"), text("pod")}, text("name"), addresses()}};
    if (kind == "Tier") return read_tier();
    if (kind == "NetworkSet") {
      model::NetworkSet set{name(), labels(), {}};
      for (const json::value& item : jsonio::get_array(object_, {"nets"}))
        set.nets.push_back(keep(net::Cidr::parse(jsonio::get_string(item, {}))));
      return model::NetworkSetUpdate{set.name, set};
    }
    if (kind == "ServiceAccount")
      return model::ServiceAccountUpdate{name(), model::ServiceAccount{name(), labels()}};
    return read_more(kind);
  }

  std::optional<model::Update> read_more(std::string_view kind) {
    if (kind == "EndpointSlice") {
      model::EndpointSlice slice{name(), text("service"), addresses(), {}};
      for (const model::NamedPort& port : ports())
        slice.ports.push_back({port.name, port.protocol, port.port});
      return model::EndpointSliceUpdate{slice.name, slice};
    }
    if (kind == "HostEndpoint") {
      model::HostEndpoint host{text("name"), text("node"), text("interface"), addresses(), labels(),
                               {},           ports()};
      for (const json::value& item : jsonio::get_array(object_, {"profiles"}))
        host.profiles.emplace_back(jsonio::get_string(item, {}));
      return model::HostEndpointUpdate{host.name, host};
    }
    if (kind == "HostInterface")
      return model::HostInterfaceUpdate{text("name"),
                                        model::HostInterface{text("name"), addresses()}};
    if (kind != "Settings") return std::nullopt;
    model::PolicySettings settings;
    settings.inbound = failsafes("inbound");
    settings.outbound = failsafes("outbound");
    const std::string to_host = text("toHost");
    for (size_t i = 0; i < kToHost.size(); ++i) {
      if (kToHost[i] == to_host) settings.to_host = static_cast<model::ToHostAction>(i);
    }
    return model::PolicySettingsUpdate{settings};
  }

  model::Update read_pod() {
    model::Pod pod;
    pod.name = name();
    pod.labels = labels();
    pod.service_account = text("serviceAccount");
    pod.node = text("node");
    pod.addresses = addresses();
    pod.ports = ports();
    pod.host_network = jsonio::get_bool(object_, {"hostNetwork"});
    pod.finished = jsonio::get_bool(object_, {"finished"});
    return model::PodUpdate{pod.name, pod};
  }

  model::Update read_tier() {
    model::Tier tier{text("name"), std::numeric_limits<double>::infinity(), model::Action::kDeny};
    const json::value* order = jsonio::get(object_, {"order"});
    if (order != nullptr && order->is_number()) tier.order = order->to_number<double>();
    if (text("defaultAction") == "Pass") tier.default_action = model::Action::kPass;
    return model::TierUpdate{tier.name, tier};
  }

  const json::value& object_;
  std::string error_;
};

}  // namespace

json::object to_json(const model::Update& update) { return std::visit(Write{}, update); }

std::string describe(const model::Update& update) {
  return std::visit(
      [&](const auto& u) {
        bool gone = !u.value;
        if constexpr (requires { u.invalid; }) gone = gone && !u.invalid;
        if (!gone) return jsonio::to_yaml(to_json(update));
        std::string name = "settings";
        if constexpr (requires { u.key.to_string(); }) {
          name = u.key.to_string();
        } else if constexpr (requires { u.key; }) {
          name = u.key;
        }
        return fmt::format("# gone: {} (kind {} of Update)\n", name, update.index());
      },
      update);
}

Result<model::Update> update_from_json(const json::value& object) { return Reader(object).read(); }

}  // namespace caracal::policy_testing
