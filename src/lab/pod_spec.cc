#include "lab/pod_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace caracal::lab {
namespace {

model::Labels labels_of(const json::object& object) {
  model::Labels out;
  for (const auto& member : object) {
    if (const json::string* text = member.value().if_string()) {
      out[std::string(member.key())] = std::string(*text);
    }
  }
  return out;
}

void read_ports(const json::value& container, PodSpec& spec) {
  for (const json::value& entry : jsonio::get_array(container, {"ports"})) {
    ServedPort port;
    const std::string protocol(jsonio::get_string(entry, {"protocol"}, "TCP"));
    const int64_t number = jsonio::get_int(entry, {"containerPort"});
    if (!parse_served_port(fmt::format("{}:{}", protocol, number), port)) continue;
    if (std::find(spec.ports.begin(), spec.ports.end(), port) == spec.ports.end())
      spec.ports.push_back(port);
    const int64_t host_port = jsonio::get_int(entry, {"hostPort"});
    if (host_port > 0) {
      std::string lower = protocol;
      for (char& c : lower) c = static_cast<char>(c + ('a' - 'A'));
      json::object mapping{{"hostPort", host_port}, {"containerPort", number}, {"protocol", lower}};
      const std::string_view host_ip = jsonio::get_string(entry, {"hostIP"});
      if (!host_ip.empty()) mapping["hostIP"] = host_ip;
      spec.port_mappings.push_back(std::move(mapping));
    }
  }
}

void read_command(const json::value& container, PodSpec& spec) {
  for (const char* field : {"command", "args"}) {
    for (const json::value& word : jsonio::get_array(container, {field})) {
      if (const json::string* text = word.if_string()) spec.command.emplace_back(*text);
    }
  }
  for (const json::value& variable : jsonio::get_array(container, {"env"})) {
    spec.environment.push_back(fmt::format("{}={}", jsonio::get_string(variable, {"name"}),
                                           jsonio::get_string(variable, {"value"})));
  }
}

}  // namespace

Result<uint64_t> parse_bandwidth(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, uint64_t>, 7> kUnits = {{{"Ki", 1ULL << 10},
                                                                            {"Mi", 1ULL << 20},
                                                                            {"Gi", 1ULL << 30},
                                                                            {"k", 1'000},
                                                                            {"M", 1'000'000},
                                                                            {"G", 1'000'000'000},
                                                                            {"", 1}}};
  for (const auto& [suffix, factor] : kUnits) {
    if (!text.ends_with(suffix)) continue;
    const auto number =
        parse_decimal(text.substr(0, text.size() - suffix.size()), 1'000'000'000'000'000 / factor);
    if (number && *number > 0) return *number * factor;
    break;
  }
  return fail(
      Errc::kInvalid,
      fmt::format("bandwidth \"{}\": must be a whole number with k, M, G, Ki, Mi, Gi or nothing "
                  "behind it, from 1 to 1000000G",
                  text));
}

PodSpec read_pod_spec(const json::value& object) {
  PodSpec spec;
  spec.name = {std::string(jsonio::get_string(object, {"metadata", "namespace"})),
               std::string(jsonio::get_string(object, {"metadata", "name"}))};
  spec.uid = jsonio::get_string(object, {"metadata", "uid"});
  spec.resource_version = jsonio::get_string(object, {"metadata", "resourceVersion"});
  spec.labels = labels_of(jsonio::get_object(object, {"metadata", "labels"}));
  spec.node = jsonio::get_string(object, {"spec", "nodeName"});
  spec.scheduler = jsonio::get_string(object, {"spec", "schedulerName"});
  spec.deleting = jsonio::get(object, {"metadata", "deletionTimestamp"}) != nullptr;
  const std::string_view phase = jsonio::get_string(object, {"status", "phase"});
  spec.finished = phase == "Succeeded" || phase == "Failed";
  spec.host_network = jsonio::get_bool(object, {"spec", "hostNetwork"});
  spec.restart_policy = jsonio::get_string(object, {"spec", "restartPolicy"}, "Always");
  spec.grace = std::chrono::seconds(
      jsonio::get_int(object, {"metadata", "deletionGracePeriodSeconds"},
                      jsonio::get_int(object, {"spec", "terminationGracePeriodSeconds"}, 30)));
  spec.node_selector = labels_of(jsonio::get_object(object, {"spec", "nodeSelector"}));
  for (const json::value& term : jsonio::get_array(
           object,
           {"spec", "affinity", "podAffinity", "requiredDuringSchedulingIgnoredDuringExecution"})) {
    spec.affinity_terms.push_back(term);
  }

  const model::Labels annotations =
      labels_of(jsonio::get_object(object, {"metadata", "annotations"}));
  const json::array& containers = jsonio::get_array(object, {"spec", "containers"});
  for (const json::value& container : containers) {
    spec.containers.emplace_back(jsonio::get_string(container, {"name"}));
    spec.images.emplace_back(jsonio::get_string(container, {"image"}));
    read_ports(container, spec);
  }
  if (const auto exec = annotations.find(kExecAnnotation); exec != annotations.end()) {
    if (exec->second != "host") {
      spec.problem = fmt::format("annotation {}: \"{}\": the only value is \"host\"",
                                 kExecAnnotation, exec->second);
    }
    if (!containers.empty()) read_command(containers[0], spec);
    if (spec.problem.empty() && spec.command.empty()) {
      spec.problem =
          fmt::format("annotation {}: the first container names no command", kExecAnnotation);
    }
  }
  for (const auto& [annotation, rate, burst] :
       {std::tuple("kubernetes.io/ingress-bandwidth", "ingressRate", "ingressBurst"),
        std::tuple("kubernetes.io/egress-bandwidth", "egressRate", "egressBurst")}) {
    const auto value = annotations.find(annotation);
    if (value == annotations.end()) continue;
    auto bits = parse_bandwidth(value->second);
    if (!bits) {
      spec.problem = fmt::format("annotation {}: {}", annotation, bits.error().message);
      continue;
    }
    spec.bandwidth[rate] = *bits;
    // The plugin wants a burst; the kubelet gives the largest the plugin takes.
    spec.bandwidth[burst] = uint64_t{2147483647};
  }
  return spec;
}

}  // namespace caracal::lab
