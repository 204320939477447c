// Record: one line of the flow log: who wanted to reach whom, and which rule of which policy stood
// in the way (or asked for it to be written down).
//
// Made by attribution.h; kept in the feed, written by sinks, printed by `caracal flows`. Value.
// Its JSON form is an interface: fields are only added.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "jsonio/json.h"
#include "model/policy.h"
#include "net/ip_addr.h"
#include "net/protocol.h"

namespace caracal::flowlog {

enum class RecordVerdict : uint8_t {
  kDenied,
  kLogged,  // a rule with action Log matched; what became of the packet is another matter
};
std::string_view to_string(RecordVerdict verdict);  // "denied", "logged"

struct Record {
  std::chrono::system_clock::time_point time;
  std::string node;
  RecordVerdict verdict = RecordVerdict::kDenied;
  model::Direction direction = model::Direction::kIngress;
  std::string interface;  // of the endpoint that was judged
  net::IpAddr source;     // as policy saw it: behind destination NAT, before source NAT
  net::IpAddr destination;
  std::string source_name;  // "dev/web", "host endpoint x"; empty: not known
  std::string destination_name;
  net::Protocol protocol;
  std::optional<uint16_t> source_port;  // of the first packet
  std::optional<uint16_t> destination_port;
  std::optional<uint8_t> icmp_type;
  std::optional<uint8_t> icmp_code;
  uint64_t count = 1;  // packets since the last record of the same flow
  // What decided. Without policy `reason` says why.
  std::string tier;
  std::string policy;  // PolicyId::to_string()
  std::optional<size_t> rule;
  std::string rule_name;
  std::string reason;
  bool operator==(const Record&) const = default;
};

json::object to_json(const Record& record);
// kInvalid names the field.
Result<Record> record_from_json(const json::value& value);
// One line without newline, for people: time, verdict, direction, both ends, port, what decided.
std::string to_text(const Record& record);
// "2026-01-31T10:00:00.123Z"
std::string to_text(std::chrono::system_clock::time_point time);

// What a reader wants to see; unset: everything.
struct RecordFilter {
  std::optional<std::string> ns;   // of either end
  std::optional<std::string> pod;  // "name" or "namespace/name", of either end
  std::optional<uint16_t> port;    // the destination's
  std::optional<RecordVerdict> verdict;
  std::optional<std::string> policy;  // in the policy's text: "allow-web", "dev/allow-web"
  bool matches(const Record& record) const;
};

}  // namespace caracal::flowlog
