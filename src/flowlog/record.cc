#include "flowlog/record.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace caracal::flowlog {
namespace {

std::string_view word(model::Direction direction) {
  return direction == model::Direction::kIngress ? "ingress" : "egress";
}

json::object end_json(const net::IpAddr& address, const std::string& name,
                      std::optional<uint16_t> port) {
  json::object out{{"address", address.to_string()}};
  if (!name.empty()) out["name"] = name;
  if (port) out["port"] = *port;
  return out;
}

tl::unexpected<Error> bad(std::string_view field, std::string_view value) {
  return fail(Errc::kInvalid, fmt::format("flow record: {}: \"{}\" is not valid", field, value));
}

Status read_end(const json::value& value, std::string_view field, net::IpAddr& address,
                std::string& name, std::optional<uint16_t>& port) {
  const std::string_view text = jsonio::get_string(value, {field, "address"});
  const auto parsed = net::IpAddr::parse(text);
  if (!parsed) return bad(fmt::format("{}.address", field), text);
  address = *parsed;
  name = jsonio::get_string(value, {field, "name"});
  const int64_t number = jsonio::get_int(value, {field, "port"}, -1);
  if (number > 65535) return bad(fmt::format("{}.port", field), std::to_string(number));
  if (number >= 0) port = static_cast<uint16_t>(number);
  return {};
}

// "2026-01-31T10:00:00.123Z", as to_text() writes it.
std::optional<std::chrono::system_clock::time_point> parse_time(const std::string& text) {
  std::tm parts{};
  int millis = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &millis) != 7) {
    return std::nullopt;
  }
  if (parts.tm_year < 1970 || parts.tm_mon < 1 || parts.tm_mon > 12) return std::nullopt;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return std::chrono::system_clock::from_time_t(::timegm(&parts)) +
         std::chrono::milliseconds(millis);
}

std::string end_text(const net::IpAddr& address, const std::string& name,
                     std::optional<uint16_t> port) {
  std::string out =
      address.is_v6() && port ? fmt::format("[{}]", address.to_string()) : address.to_string();
  if (port) out += fmt::format(":{}", *port);
  return name.empty() ? out : fmt::format("{} ({})", name, out);
}

// Is `text` the pod's "name" or "namespace/name"?
bool names_pod(const std::string& name, const std::string& text) {
  if (name == text) return true;
  const size_t slash = name.find('/');
  return slash != std::string::npos && text.find('/') == std::string::npos &&
         name.compare(slash + 1, std::string::npos, text) == 0;
}

bool in_namespace(const std::string& name, const std::string& ns) {
  return name.size() > ns.size() && name[ns.size()] == '/' && name.starts_with(ns);
}

}  // namespace

std::string_view to_string(RecordVerdict verdict) {
  return verdict == RecordVerdict::kDenied ? "denied" : "logged";
}

std::string to_text(std::chrono::system_clock::time_point time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(time - whole).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), millis);
}

json::object to_json(const Record& record) {
  json::object out;
  out["time"] = to_text(record.time);
  if (!record.node.empty()) out["node"] = record.node;
  out["verdict"] = to_string(record.verdict);
  out["direction"] = word(record.direction);
  if (!record.interface.empty()) out["interface"] = record.interface;
  out["source"] = end_json(record.source, record.source_name, record.source_port);
  out["destination"] =
      end_json(record.destination, record.destination_name, record.destination_port);
  out["protocol"] = record.protocol.to_string();
  if (record.icmp_type) out["icmpType"] = *record.icmp_type;
  if (record.icmp_code) out["icmpCode"] = *record.icmp_code;
  out["count"] = record.count;
  if (!record.tier.empty()) out["tier"] = record.tier;
  if (!record.policy.empty()) out["policy"] = record.policy;
  if (record.rule) out["rule"] = *record.rule;
  if (!record.rule_name.empty()) out["ruleName"] = record.rule_name;
  if (!record.reason.empty()) out["reason"] = record.reason;
  return out;
}

Result<Record> record_from_json(const json::value& value) {
  Record out;
  const std::string time(jsonio::get_string(value, {"time"}));
  const auto parsed = parse_time(time);
  if (!parsed) return bad("time", time);
  out.time = *parsed;
  out.node = jsonio::get_string(value, {"node"});
  const std::string_view verdict = jsonio::get_string(value, {"verdict"});
  if (verdict != "denied" && verdict != "logged") return bad("verdict", verdict);
  out.verdict = verdict == "denied" ? RecordVerdict::kDenied : RecordVerdict::kLogged;
  const std::string_view direction = jsonio::get_string(value, {"direction"});
  if (direction != "ingress" && direction != "egress") return bad("direction", direction);
  out.direction = direction == "ingress" ? model::Direction::kIngress : model::Direction::kEgress;
  out.interface = jsonio::get_string(value, {"interface"});
  CARACAL_TRY(read_end(value, "source", out.source, out.source_name, out.source_port));
  CARACAL_TRY(
      read_end(value, "destination", out.destination, out.destination_name, out.destination_port));
  const std::string_view protocol = jsonio::get_string(value, {"protocol"});
  const auto number = net::Protocol::parse(protocol);
  if (!number) return bad("protocol", protocol);
  out.protocol = *number;
  const auto small = [&](std::string_view field) -> std::optional<uint8_t> {
    const int64_t n = jsonio::get_int(value, {field}, -1);
    return n < 0 || n > 255 ? std::nullopt : std::optional<uint8_t>(static_cast<uint8_t>(n));
  };
  out.icmp_type = small("icmpType");
  out.icmp_code = small("icmpCode");
  out.count = static_cast<uint64_t>(std::max<int64_t>(jsonio::get_int(value, {"count"}, 1), 0));
  out.tier = jsonio::get_string(value, {"tier"});
  out.policy = jsonio::get_string(value, {"policy"});
  const int64_t rule = jsonio::get_int(value, {"rule"}, -1);
  if (rule >= 0) out.rule = static_cast<size_t>(rule);
  out.rule_name = jsonio::get_string(value, {"ruleName"});
  out.reason = jsonio::get_string(value, {"reason"});
  return out;
}

std::string to_text(const Record& record) {
  std::string what = record.protocol.to_string();
  if (record.icmp_type)
    what += fmt::format(" type {} code {}", *record.icmp_type, record.icmp_code.value_or(0));
  std::string by = record.policy;
  if (record.rule) by += fmt::format(" rule {}", *record.rule);
  if (!record.rule_name.empty()) by += fmt::format(" \"{}\"", record.rule_name);
  if (!record.tier.empty() && record.tier != "default")
    by += fmt::format(" (tier {})", record.tier);
  if (!record.reason.empty()) by += fmt::format("{}{}", by.empty() ? "" : ": ", record.reason);
  return fmt::format(
      "{} {}{} {} {} {} -> {}{}{}", to_text(record.time),
      record.node.empty() ? "" : record.node + " ", to_string(record.verdict),
      word(record.direction), what, end_text(record.source, record.source_name, record.source_port),
      end_text(record.destination, record.destination_name, record.destination_port),
      record.count > 1 ? fmt::format(" x{}", record.count) : "", by.empty() ? "" : " by " + by);
}

bool RecordFilter::matches(const Record& record) const {
  const auto either = [&](const auto& test) {
    return test(record.source_name) || test(record.destination_name);
  };
  if (ns && !either([&](const std::string& name) { return in_namespace(name, *ns); })) return false;
  if (pod && !either([&](const std::string& name) { return names_pod(name, *pod); })) return false;
  if (port && record.destination_port != port) return false;
  if (verdict && record.verdict != *verdict) return false;
  return !policy || record.policy.find(*policy) != std::string::npos;
}

}  // namespace caracal::flowlog
