#include "cni/request.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace caracal::cni {
namespace {

constexpr std::array<std::string_view, 6> kCommands = {"ADD",    "DEL", "CHECK",
                                                       "STATUS", "GC",  "VERSION"};

bool alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

Outcome<void> check_container_id(std::string_view id) {
  const bool ok =
      !id.empty() && alphanumeric(id.front()) && std::all_of(id.begin(), id.end(), [](char c) {
        return alphanumeric(c) || c == '_' || c == '.' || c == '-';
      });
  if (ok) return {};
  return refuse(Code::kInvalidEnvironment,
                "CNI_CONTAINERID " + quoted(id) +
                    ": must begin with a letter or digit and hold only letters, digits, _ . -");
}

// As the kernel (dev_valid_name) and CNI want it.
Outcome<void> check_ifname(std::string_view name) {
  const bool ok = !name.empty() && name.size() <= 15 && name != "." && name != ".." &&
                  std::none_of(name.begin(), name.end(), [](char c) {
                    return c == '/' || c == ':' || static_cast<unsigned char>(c) <= ' ';
                  });
  if (ok) return {};
  return refuse(Code::kInvalidEnvironment,
                "CNI_IFNAME " + quoted(name) +
                    ": must be an interface name of 1 to 15 bytes without / : or blanks");
}

// CNI_ARGS: "KEY=VALUE;KEY=VALUE".
Outcome<void> parse_args(std::string_view args, Request& request, std::vector<net::IpAddr>& ips) {
  std::string unknown;
  bool ignore_unknown = false;
  for (const std::string_view pair : split(args, ';')) {
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return refuse(Code::kInvalidEnvironment,
                    "CNI_ARGS " + quoted(pair) + ": must be KEY=VALUE pairs separated by ;");
    }
    const std::string_view key = pair.substr(0, equals);
    const std::string_view value = pair.substr(equals + 1);
    if (key == "K8S_POD_NAMESPACE") {
      request.pod_namespace = value;
    } else if (key == "K8S_POD_NAME") {
      request.pod_name = value;
    } else if (key == "IgnoreUnknown") {
      ignore_unknown = value == "1" || value == "true" || value == "True" || value == "TRUE";
    } else if (key == "IP") {
      for (const std::string_view text : split(value, ',')) {
        // A prefix length may follow; a pod's address is always a single one.
        auto address = net::IpAddr::parse(text.substr(0, text.find('/')));
        if (!address) {
          return refuse(Code::kInvalidEnvironment, "CNI_ARGS IP: " + address.error().message);
        }
        ips.push_back(*address);
      }
    } else if (key != "K8S_POD_UID" && key != "K8S_POD_INFRA_CONTAINER_ID") {
      unknown += (unknown.empty() ? "" : ", ") + std::string(key);
    }
  }
  if (!unknown.empty() && !ignore_unknown) {
    return refuse(Code::kInvalidEnvironment,
                  "CNI_ARGS: unknown keys " + unknown +
                      "; known are K8S_POD_NAMESPACE, K8S_POD_NAME, K8S_POD_UID, "
                      "K8S_POD_INFRA_CONTAINER_ID, IP (IgnoreUnknown=1 passes over others)");
  }
  return {};
}

Outcome<void> check_known_keys(const json::object& config) {
  constexpr std::array<std::string_view, 13> kKnown = {
      "cniVersion",    "name",       "type", "socket", "mtu",          "ipam",  "capabilities",
      "runtimeConfig", "prevResult", "args", "dns",    "disableCheck", "ipMasq"};
  for (const auto& member : config) {
    const std::string_view key = member.key();
    // Keys with a domain ("cni.dev/valid-attachments") are somebody's extension.
    if (key.find('/') != std::string_view::npos) continue;
    if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end()) {
      return refuse(Code::kUnsupportedField,
                    "network configuration: unknown key " + quoted(key) + " with value " +
                        jsonio::to_string(member.value()),
                    "known keys: cniVersion, name, type, socket, mtu, ipam, capabilities, "
                    "runtimeConfig, prevResult, args, dns");
    }
  }
  if (jsonio::get_bool(config, {"ipMasq"})) {
    return refuse(Code::kUnsupportedField,
                  "network configuration: ipMasq: true is not supported; leave it out");
  }
  return {};
}

// A text that, when it is there, is not empty.
Outcome<std::string> text_key(const json::object& config, std::string_view key,
                              std::string_view fallback) {
  const json::value* value = config.if_contains(key);
  if (value == nullptr) return std::string(fallback);
  const json::string* text = value->if_string();
  if (text == nullptr || text->empty()) {
    return refuse(Code::kInvalidConfig, "network configuration: " + std::string(key) + ": " +
                                            jsonio::to_string(*value) +
                                            ": must be a text that is not empty");
  }
  return std::string(*text);
}

Outcome<void> parse_ips(const json::value& config, std::initializer_list<std::string_view> path,
                        std::vector<net::IpAddr>& ips) {
  for (const json::value& one : jsonio::get_array(config, path)) {
    const std::string_view text = one.is_string() ? std::string_view(one.get_string()) : "";
    auto address = net::IpAddr::parse(text.substr(0, text.find('/')));
    if (!address) {
      return refuse(Code::kInvalidConfig, "network configuration: ips: " + jsonio::to_string(one) +
                                              ": must be an address, as \"10.1.2.3\"");
    }
    ips.push_back(*address);
  }
  return {};
}

Outcome<NetworkConfig> parse_config(const json::value& value) {
  const json::object* config = value.if_object();
  if (config == nullptr) {
    return refuse(Code::kDecodeFailure, "network configuration: must be a JSON object");
  }
  NetworkConfig out;
  const json::value* version = config->if_contains("cniVersion");
  const json::string* version_text = version != nullptr ? version->if_string() : nullptr;
  auto parsed = parse_version(version_text != nullptr ? std::string_view(*version_text) : "");
  if (!parsed) return refuse(Code::kIncompatibleVersion, parsed.error().message);
  out.version = *parsed;
  CARACAL_TRY(check_known_keys(*config));
  CARACAL_ASSIGN(out.name, text_key(*config, "name", ""));
  if (out.name.empty()) {
    return refuse(Code::kInvalidConfig, "network configuration: name: must be there");
  }
  CARACAL_ASSIGN(out.type, text_key(*config, "type", "caracal-cni"));
  CARACAL_ASSIGN(out.socket, text_key(*config, "socket", kDefaultSocket));
  if (const json::value* mtu = config->if_contains("mtu")) {
    const int64_t number = jsonio::get_int(value, {"mtu"}, -1);
    if (!(number == 0 || (number >= 68 && number <= 65535))) {
      return refuse(Code::kInvalidConfig, "network configuration: mtu: " + jsonio::to_string(*mtu) +
                                              ": must be 0 (automatic) or 68 to 65535");
    }
    out.mtu = static_cast<uint32_t>(number);
  }
  if (const json::value* ipam = config->if_contains("ipam")) {
    const std::string_view type = jsonio::get_string(*ipam, {"type"}, "caracal");
    if (!ipam->is_object() || type != "caracal") {
      return refuse(Code::kUnsupportedField,
                    "network configuration: ipam: " + jsonio::to_string(*ipam) +
                        ": must be absent or {\"type\": \"caracal\"}");
    }
  }
  out.dns = jsonio::get_object(value, {"dns"});
  CARACAL_TRY(parse_ips(value, {"runtimeConfig", "ips"}, out.requested_ips));
  CARACAL_TRY(parse_ips(value, {"args", "cni", "ips"}, out.requested_ips));
  if (const json::value* previous = config->if_contains("prevResult")) {
    auto result = parse_add_result(*previous, "prevResult");
    if (!result) return refuse(Code::kInvalidConfig, result.error().message);
    out.prev_result = std::move(*result);
  }
  return out;
}

Outcome<std::vector<ValidAttachment>> parse_valid_attachments(const json::value& config) {
  const json::object& object = config.get_object();
  const json::value* list = object.if_contains("cni.dev/valid-attachments");
  if (list == nullptr) list = object.if_contains("cni.dev/attachments");
  if (list == nullptr || !list->is_array()) {
    // Without the list everything would be garbage.
    return refuse(
        Code::kInvalidConfig,
        "network configuration: cni.dev/valid-attachments: must be there for GC, a list of "
        "{\"containerID\": .., \"ifname\": ..}");
  }
  std::vector<ValidAttachment> out;
  for (const json::value& one : list->get_array()) {
    ValidAttachment attachment{std::string(jsonio::get_string(one, {"containerID"})),
                               std::string(jsonio::get_string(one, {"ifname"}))};
    if (attachment.container_id.empty() || attachment.ifname.empty()) {
      return refuse(Code::kInvalidConfig, "network configuration: cni.dev/valid-attachments[" +
                                              std::to_string(out.size()) +
                                              "]: must have containerID and ifname");
    }
    out.push_back(std::move(attachment));
  }
  return out;
}

// CHECK came with 0.4.0, STATUS and GC with 1.1.0.
Outcome<void> check_command_version(Command command, Version version) {
  const Version needed = command == Command::kCheck                               ? Version::k0_4_0
                         : command == Command::kStatus || command == Command::kGc ? Version::k1_1_0
                                                                                  : Version::k0_3_1;
  if (version >= needed) return {};
  return refuse(Code::kIncompatibleVersion, std::string(to_string(command)) + " needs cniVersion " +
                                                std::string(to_string(needed)) +
                                                " or later, the configuration says " +
                                                std::string(to_string(version)));
}

}  // namespace

std::string_view to_string(Command command) { return kCommands.at(static_cast<size_t>(command)); }

Outcome<Command> parse_command(std::string_view text) {
  for (size_t i = 0; i < kCommands.size(); ++i) {
    if (kCommands.at(i) == text) return static_cast<Command>(i);
  }
  return refuse(
      Code::kInvalidEnvironment,
      "CNI_COMMAND " + quoted(text) + ": must be one of ADD, DEL, CHECK, STATUS, GC, VERSION");
}

json::object to_json(const RawRequest& raw) {
  json::object object;
  object["command"] = raw.command;
  object["containerID"] = raw.container_id;
  object["netns"] = raw.netns;
  object["ifname"] = raw.ifname;
  object["args"] = raw.args;
  object["config"] = raw.config;
  return object;
}

RawRequest raw_from_json(const json::value& params) {
  RawRequest raw;
  raw.command = jsonio::get_string(params, {"command"});
  raw.container_id = jsonio::get_string(params, {"containerID"});
  raw.netns = jsonio::get_string(params, {"netns"});
  raw.ifname = jsonio::get_string(params, {"ifname"});
  raw.args = jsonio::get_string(params, {"args"});
  if (const json::value* config = jsonio::get(params, {"config"})) raw.config = *config;
  return raw;
}

Outcome<Request> parse_request(const RawRequest& raw) {
  Request request;
  CARACAL_ASSIGN(request.command, parse_command(raw.command));
  if (request.command == Command::kVersion) return request;
  CARACAL_ASSIGN(request.config, parse_config(raw.config));
  CARACAL_TRY(check_command_version(request.command, request.config.version));
  if (request.command == Command::kStatus) return request;
  if (request.command == Command::kGc) {
    CARACAL_ASSIGN(request.valid_attachments, parse_valid_attachments(raw.config));
    return request;
  }
  CARACAL_TRY(check_container_id(raw.container_id));
  CARACAL_TRY(check_ifname(raw.ifname));
  request.container_id = raw.container_id;
  request.ifname = raw.ifname;
  request.netns = raw.netns;
  CARACAL_TRY(parse_args(raw.args, request, request.config.requested_ips));
  // DEL works without: the namespace may be gone, and the lease knows the pod.
  if (request.command == Command::kDel) return request;
  if (request.netns.empty() || request.netns.front() != '/') {
    return refuse(Code::kInvalidEnvironment,
                  "CNI_NETNS " + quoted(request.netns) +
                      ": must be the absolute path of a network namespace");
  }
  if (request.pod_namespace.empty() || request.pod_name.empty()) {
    return refuse(Code::kInvalidEnvironment, "CNI_ARGS " + quoted(raw.args) +
                                                 ": must have K8S_POD_NAMESPACE and K8S_POD_NAME");
  }
  if (request.command == Command::kCheck && !request.config.prev_result) {
    return refuse(Code::kInvalidConfig,
                  "network configuration: prevResult: must be there for CHECK");
  }
  return request;
}

}  // namespace caracal::cni
