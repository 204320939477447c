#include "calico/decode_rule.h"

#include <fmt/format.h>

#include <array>

#include "calico/decode_entity_rule.h"
#include "calico/http_match.h"
#include "kube/decode_fields.h"

namespace caracal::calico {
namespace {

using model::Action;
using model::PortMatch;
using net::Protocol;

constexpr std::array<std::string_view, 10> kRuleFields = {
    "action",  "ipVersion", "protocol",    "notProtocol", "icmp",
    "notICMP", "source",    "destination", "http",        "metadata"};
constexpr std::array<std::string_view, 2> kIcmpFields = {"type", "code"};
// A port without protocol is one of these.
constexpr std::array kWithPorts = {net::kTcp, net::kUdp, net::kSctp};

class RuleReader {
 public:
  RuleReader(const json::object& rule, const FieldPath& path, const std::string& ns,
             model::Direction direction, ObjectReader& reader)
      : rule_(rule), path_(path), ns_(ns), direction_(direction), reader_(reader) {}

  model::Rule read() {
    unknown_ = reader_.has_unknown(rule_, path_, kRuleFields);
    result_.action = action();
    if (const auto version = reader_.integer(rule_, "ipVersion", path_, 0, 255)) {
      if (*version == 4) {
        result_.family = net::Family::kIPv4;
      } else if (*version == 6) {
        result_.family = net::Family::kIPv6;
      } else {
        reader_.invalid(path_.member("ipVersion"), *version, "must be 4 or 6");
      }
    }
    protocol_ = protocol("protocol");
    not_protocol_ = protocol("notProtocol");
    const bool ingress = direction_ == model::Direction::kIngress;
    EntityRule source = entity("source", false, ingress);
    EntityRule destination = entity("destination", true, !ingress);
    check_families(source, destination);
    set_ports(source, destination);
    result_.peer = std::move(ingress ? source.match : destination.match);
    result_.self = std::move(ingress ? destination.match : source.match);
    read_http();
    read_name();
    if (unknown_ && (result_.action == Action::kAllow || result_.action == Action::kPass)) {
      never_matches("has an unknown field, which may be a condition");
    }
    return std::move(result_);
  }

 private:
  void never_matches(std::string_view why) {
    result_.ports.emplace().clear();
    reader_.warn(path_, fmt::format("{}: the rule never matches", why));
  }

  Action action() {
    const std::string_view word =
        reader_.word(rule_, "action", path_, {"Allow", "Deny", "Log", "Pass"});
    if (kube::member(rule_, "action") == nullptr) {
      reader_.required(path_.member("action"), "Allow, Deny, Log or Pass");
    }
    if (word == "Allow") return Action::kAllow;
    if (word == "Log") return Action::kLog;
    if (word == "Pass") return Action::kPass;
    return Action::kDeny;
  }

  std::optional<Protocol> protocol(std::string_view name) {
    const auto protocol = reader_.protocol(rule_, name, path_);
    // Not the same as absent: that would be every protocol.
    if (const json::value* given = kube::member(rule_, name); given && *given == json::value("")) {
      reader_.invalid(path_.member(name), *given, "must be the name or number of a protocol");
    }
    const auto family = protocol == net::kIcmp     ? std::optional(net::Family::kIPv4)
                        : protocol == net::kIcmpV6 ? std::optional(net::Family::kIPv6)
                                                   : std::nullopt;
    if (family && result_.family && *family != *result_.family) {
      reader_.forbidden(path_.member("ipVersion"),
                        fmt::format("{} {} goes with {} only", name, protocol->to_string(),
                                    net::to_string(*family)));
    }
    return protocol;
  }

  EntityRule entity(std::string_view name, bool destination, bool service_side) {
    const json::object* entity = reader_.object(rule_, name, path_);
    if (entity == nullptr) return {};
    const FieldPath path = path_.member(name);
    EntityRule result = decode_entity_rule(*entity, path, ns_, destination, service_side, reader_);
    unknown_ = unknown_ || result.unknown_field;
    const bool has_ports = !result.ports.empty() || !result.not_ports.empty();
    if (has_ports && protocol_ && !protocol_->has_ports()) {
      reader_.forbidden(path, fmt::format("ports need protocol TCP, UDP or SCTP, not {}",
                                          protocol_->to_string()));
    } else if (result.numeric_ports() && !protocol_) {
      reader_.forbidden(path, "port numbers need a protocol: TCP, UDP or SCTP");
    }
    return result;
  }

  void check_families(const EntityRule& source, const EntityRule& destination) {
    std::optional<net::Family> first = result_.family;
    for (const EntityRule* side : {&source, &destination}) {
      for (const net::Family family : side->families) {
        if (!first) first = family;
        if (*first == family) continue;
        reader_.forbidden(path_, result_.family
                                     ? "the CIDRs must be of the family that ipVersion names"
                                     : "IPv4 and IPv6 CIDRs cannot stand in one rule");
        return;
      }
    }
  }

  // The message type of icmp or notICMP, when one is given.
  std::optional<model::IcmpMatch> icmp(std::string_view name) {
    const json::object* fields = reader_.object(rule_, name, path_);
    if (fields == nullptr) return std::nullopt;
    const FieldPath path = path_.member(name);
    if (reader_.has_unknown(*fields, path, kIcmpFields)) unknown_ = true;
    const auto type = reader_.integer(*fields, "type", path, 0, 254);
    const auto code = reader_.integer(*fields, "code", path, 0, 255);
    if (protocol_ != net::kIcmp && protocol_ != net::kIcmpV6) {
      reader_.forbidden(path, "needs protocol ICMP or ICMPv6");
      return std::nullopt;
    }
    if (kube::member(*fields, "type") == nullptr) {
      if (code) reader_.required(path.member("type"), "a code needs a type");
      return std::nullopt;
    }
    if (!type) return std::nullopt;
    model::IcmpMatch match{static_cast<uint8_t>(*type), std::nullopt};
    if (code) match.code = static_cast<uint8_t>(*code);
    return match;
  }

  std::vector<PortMatch> matches(const std::vector<PortSpec>& ports) const {
    std::vector<PortMatch> result;
    for (const PortSpec& port : ports) {
      const auto add = [&](Protocol protocol) {
        PortMatch& match = result.emplace_back();
        match.protocol = protocol;
        std::visit([&match](const auto& value) { match.port = value; }, port);
      };
      if (protocol_) {
        add(*protocol_);
      } else {
        for (const Protocol protocol : kWithPorts) add(protocol);
      }
    }
    return result;
  }

  void set_ports(const EntityRule& source, const EntityRule& destination) {
    const auto type = icmp("icmp");
    const auto not_type = icmp("notICMP");
    if (!destination.ports.empty()) {
      result_.ports = matches(destination.ports);
    } else if (protocol_ && type) {
      result_.ports = {PortMatch{*protocol_, *type}};
    } else if (protocol_) {
      result_.ports = {PortMatch{*protocol_, net::PortRange{}}};
    }
    result_.not_ports = matches(destination.not_ports);
    if (protocol_ && not_type) result_.not_ports.push_back({*protocol_, *not_type});
    if (not_protocol_) result_.not_ports.push_back({*not_protocol_, net::PortRange{}});
    if (!source.ports.empty()) result_.source_ports = matches(source.ports);
    result_.not_source_ports = matches(source.not_ports);
  }

  void read_http() {
    const json::object* http = reader_.object(rule_, "http", path_);
    if (http == nullptr) return;
    const FieldPath path = path_.member("http");
    if (direction_ != model::Direction::kIngress) {
      reader_.forbidden(path, "may stand in ingress rules only");
    }
    if (result_.action != Action::kAllow) reader_.forbidden(path, "needs action Allow");
    if (protocol_ && *protocol_ != net::kTcp) reader_.forbidden(path, "needs protocol TCP");
    check_http_match(*http, path, reader_);
    never_matches("HTTP requests are not inspected");
  }

  void read_name() {
    const json::object* metadata = reader_.object(rule_, "metadata", path_);
    if (metadata == nullptr) return;
    model::Labels annotations = reader_.labels(*metadata, "annotations", path_.member("metadata"));
    if (const auto name = annotations.find("name"); name != annotations.end()) {
      result_.name = name->second;
    }
  }

  const json::object& rule_;
  const FieldPath& path_;
  const std::string& ns_;
  model::Direction direction_;
  ObjectReader& reader_;
  model::Rule result_;
  std::optional<Protocol> protocol_;
  std::optional<Protocol> not_protocol_;
  bool unknown_ = false;
};

}  // namespace

model::Rule decode_rule(const json::object& rule, const FieldPath& path, const std::string& ns,
                        model::Direction direction, ObjectReader& reader) {
  return RuleReader(rule, path, ns, direction, reader).read();
}

std::vector<model::Rule> decode_rules(const json::object& spec, std::string_view name,
                                      const FieldPath& path, const std::string& ns,
                                      model::Direction direction, ObjectReader& reader) {
  std::vector<model::Rule> rules;
  const json::array* list = reader.array(spec, name, path);
  if (list == nullptr) return rules;
  const FieldPath list_path = path.member(name);
  reader.limit(list, kMaxRules, "rules", list_path);
  rules.reserve(list->size());
  for (size_t i = 0; i < list->size(); ++i) {
    const FieldPath rule_path = list_path.element(i);
    if (const json::object* rule = reader.as_object((*list)[i], rule_path)) {
      rules.push_back(decode_rule(*rule, rule_path, ns, direction, reader));
    }
  }
  return rules;
}

}  // namespace caracal::calico
