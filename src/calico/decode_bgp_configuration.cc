#include <fmt/format.h>

#include <array>

#include "calico/decode_bgp.h"
#include "calico/network_fields.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

constexpr FieldPath kSpec("spec");
constexpr int64_t kMostPriority = 2147483646;

class ConfigurationReader {
 public:
  ConfigurationReader(const json::object& object, ObjectReader& reader)
      : spec_(spec_of(object, reader)), reader_(reader) {}

  std::optional<model::BgpConfiguration> read(const std::string& name) {
    const size_t problems = reader_.problems().size();
    config_.name = name;
    read_basics();
    config_.service_cluster_ips = ranges("serviceClusterIPs");
    config_.service_external_ips = ranges("serviceExternalIPs");
    config_.service_load_balancer_ips = ranges("serviceLoadBalancerIPs");
    read_communities();
    read_advertisements();
    check_scope(name);
    if (reader_.problems().size() > problems) return std::nullopt;
    return std::move(config_);
  }

 private:
  bool given(std::string_view name) const { return kube::member(spec_, name) != nullptr; }
  std::string_view word(std::string_view name, std::initializer_list<std::string_view> words) {
    return reader_.word(spec_, name, kSpec, words);
  }

  void read_basics() {
    if (const auto severity = reader_.text(spec_, "logSeverityScreen", kSpec); !severity.empty()) {
      config_.log_severity = severity;
    }
    if (given("nodeToNodeMeshEnabled")) {
      config_.node_mesh = reader_.flag(spec_, "nodeToNodeMeshEnabled", kSpec);
    }
    config_.as_number = as_number(spec_, "asNumber", kSpec, reader_);
    if (const auto how = word("serviceLoadBalancerAggregation", {"Enabled", "Disabled"});
        !how.empty()) {
      config_.load_balancer_aggregation = how == "Enabled";
    }
    if (const auto port = reader_.integer(spec_, "listenPort", kSpec, 1, 65535)) {
      config_.listen_port = static_cast<uint16_t>(*port);
    }
    config_.mesh_password = secret_key(spec_, "nodeMeshPassword", kSpec, reader_);
    config_.mesh_max_restart_seconds =
        duration_seconds(spec_, "nodeMeshMaxRestartTime", kSpec, reader_);
    if (config_.node_mesh == false) {
      for (const std::string_view field : {"nodeMeshPassword", "nodeMeshMaxRestartTime"}) {
        if (given(field)) {
          reader_.forbidden(kSpec.member(field), "cannot stand beside nodeToNodeMeshEnabled false");
        }
      }
    }
    if (const auto mode = word("bindMode", {"None", "NodeIP"}); !mode.empty()) {
      config_.bind_node_ip = mode == "NodeIP";
    }
    for (const auto& [interface, index] : reader_.texts(spec_, "ignoredInterfaces", kSpec)) {
      config_.ignored_interfaces.emplace_back(interface);
      if (interface.empty() || interface.find_first_of(" \t\n\"/;") != std::string_view::npos) {
        reader_.invalid(kSpec.member("ignoredInterfaces").element(index), json::string(interface),
                        "must be the name of an interface; \"*\" stands for any text");
      }
    }
    read_peering("localWorkloadPeeringIPV4", net::Family::kIPv4, config_.local_workload_peering_v4);
    read_peering("localWorkloadPeeringIPV6", net::Family::kIPv6, config_.local_workload_peering_v6);
    if (const auto routes = word("programClusterRoutes",
                                 {"Disabled", "Enabled", "EnabledIPIPOnly", "EnabledNoEncapOnly"});
        !routes.empty()) {
      config_.program_cluster_routes = routes;
    }
    read_priority("ipv4NormalRoutePriority", config_.ipv4_priority);
    read_priority("ipv6NormalRoutePriority", config_.ipv6_priority);
  }

  void read_peering(std::string_view name, net::Family family, std::optional<net::IpAddr>& out) {
    const auto found = address(spec_, name, kSpec, reader_);
    if (!found) return;
    if (found->family() == family) {
      out = found;
      return;
    }
    reader_.invalid(kSpec.member(name), json::string(found->to_string()),
                    fmt::format("must be an {} address", net::to_string(family)));
  }

  void read_priority(std::string_view name, std::optional<uint32_t>& out) {
    if (const auto priority = reader_.integer(spec_, name, kSpec, 1, kMostPriority)) {
      out = static_cast<uint32_t>(*priority);
    }
  }

  std::vector<net::Cidr> ranges(std::string_view name) {
    std::vector<net::Cidr> out;
    const json::array* list = reader_.array(spec_, name, kSpec);
    if (list == nullptr) return out;
    const FieldPath list_path = kSpec.member(name);
    for (size_t i = 0; i < list->size(); ++i) {
      const FieldPath path = list_path.element(i);
      const json::object* entry = reader_.as_object((*list)[i], path);
      if (entry == nullptr) continue;
      if (const auto cidr = required_cidr(*entry, "cidr", path, reader_)) out.push_back(*cidr);
    }
    return out;
  }

  void read_communities() {
    const json::array* list = reader_.array(spec_, "communities", kSpec);
    if (list == nullptr) return;
    const FieldPath list_path = kSpec.member("communities");
    for (size_t i = 0; i < list->size(); ++i) {
      const FieldPath path = list_path.element(i);
      const json::object* entry = reader_.as_object((*list)[i], path);
      if (entry == nullptr) continue;
      const std::string_view name = reader_.text(*entry, "name", path);
      const std::string_view value = reader_.text(*entry, "value", path);
      if (name.empty()) reader_.required(path.member("name"));
      auto community = parse_community(value);
      if (!community) {
        reader_.invalid(path.member("value"), json::string(value), std::string(kCommunityForm));
        continue;
      }
      if (!config_.communities.emplace(name, std::move(*community)).second) {
        reader_.duplicate(path.member("name"), json::string(name));
      }
    }
    if (!config_.communities.empty() && !given("prefixAdvertisements")) {
      reader_.required(kSpec.member("prefixAdvertisements"),
                       "the ranges that the communities are for");
    }
  }

  void read_advertisements() {
    const json::array* list = reader_.array(spec_, "prefixAdvertisements", kSpec);
    if (list == nullptr) return;
    const FieldPath list_path = kSpec.member("prefixAdvertisements");
    for (size_t i = 0; i < list->size(); ++i) {
      const FieldPath path = list_path.element(i);
      const json::object* entry = reader_.as_object((*list)[i], path);
      if (entry == nullptr) continue;
      const auto cidr = required_cidr(*entry, "cidr", path, reader_);
      model::BgpConfiguration::PrefixAdvertisement one;
      if (cidr) one.cidr = *cidr;
      const FieldPath names = path.member("communities");
      for (const auto& [text, index] : reader_.texts(*entry, "communities", path)) {
        if (const auto named = config_.communities.find(std::string(text));
            named != config_.communities.end()) {
          one.communities.push_back(named->second);
        } else if (auto value = parse_community(text)) {
          one.communities.push_back(std::move(*value));
        } else {
          reader_.invalid(
              names.element(index), json::string(text),
              fmt::format("is no name in spec.communities; else it {}", kCommunityForm));
        }
      }
      config_.prefix_advertisements.push_back(std::move(one));
    }
  }

  // What is of the whole cluster has no place in the object of one node.
  void check_scope(const std::string& name) {
    if (name.empty() || name == "default") return;
    if (!name.starts_with("node.")) {
      reader_.invalid(FieldPath("metadata").member("name"), json::string(name),
                      "must be \"default\" or \"node.NAME\"");
      return;
    }
    constexpr std::array<std::string_view, 3> kClusterOnly = {
        "nodeToNodeMeshEnabled", "nodeMeshPassword", "nodeMeshMaxRestartTime"};
    for (const std::string_view field : kClusterOnly) {
      if (!given(field)) continue;
      reader_.forbidden(kSpec.member(field), "may stand only in the object \"default\"");
    }
  }

  const json::object& spec_;
  ObjectReader& reader_;
  model::BgpConfiguration config_;
};

}  // namespace

std::optional<model::BgpConfiguration> decode_bgp_configuration(const std::string& name,
                                                                const json::object& object,
                                                                ObjectReader& reader) {
  return ConfigurationReader(object, reader).read(name);
}

}  // namespace caracal::calico
