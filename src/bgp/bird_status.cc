#include "bgp/bird_status.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/strings.h"

namespace caracal::bgp {
namespace {

// Codes of BIRD's reply_codes.
constexpr int kVersion = 1000;
constexpr int kProtocolLine = 1002;
constexpr int kProtocolDetails = 1006;
constexpr int kRouteCount = 1007;
constexpr int kUptime = 1011;
constexpr int kUp = 13;
constexpr int kRouteCountTotal = 14;
constexpr int kRecovering = 24;

Status check(const Reply& reply) {
  if (reply.lines.empty()) return fail(Errc::kInvalid, "BIRD's reply is empty");
  if (reply.failed()) return fail(Errc::kInvalid, "BIRD: " + reply.text());
  return {};
}

// What follows `prefix`, when the text starts with it.
std::optional<std::string_view> after(std::string_view text, std::string_view prefix) {
  text = trim(text);
  if (!text.starts_with(prefix)) return std::nullopt;
  return trim(text.substr(prefix.size()));
}

// The next word; takes it off the text.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "2026-11-23 05:17:43.633" is two words, "05:17:43" and "2026-11-23" are one.
std::string take_time(std::string_view& text) {
  std::string time(take_word(text));
  const bool date = time.size() == 10 && time[4] == '-' && time[7] == '-';
  std::string_view rest = text;
  const std::string_view clock = take_word(rest);
  if (date && clock.size() >= 5 && is_digit(clock[0]) && clock[2] == ':') {
    time += ' ';
    time += clock;
    text = rest;
  }
  return time;
}

uint64_t number(std::string_view text) {
  const size_t end =
      static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
  return parse_decimal(text.substr(0, end)).value_or(0);
}

// "3 imported, 1 filtered, 4 exported, 3 preferred"
void read_routes(std::string_view text, ChannelStatus& channel) {
  for (std::string_view part : split(text, ',')) {
    const uint64_t count = number(take_word(part));
    const std::string_view what = trim(part);
    if (what == "imported") channel.imported = count;
    if (what == "exported") channel.exported = count;
  }
}

ProtocolStatus read_protocol(std::string_view line) {
  ProtocolStatus out;
  out.name = take_word(line);
  out.type = take_word(line);
  take_word(line);  // table
  out.state = take_word(line);
  out.since = take_time(line);
  out.info = trim(line);
  return out;
}

void read_detail(std::string_view line, ProtocolStatus& protocol) {
  if (const auto name = after(line, "Channel ")) {
    protocol.channels.push_back({.name = std::string(*name), .state = ""});
    return;
  }
  if (!protocol.channels.empty()) {
    ChannelStatus& channel = protocol.channels.back();
    if (const auto state = after(line, "State:")) channel.state = *state;
    if (const auto routes = after(line, "Routes:")) read_routes(*routes, channel);
    return;
  }
  if (const auto state = after(line, "BGP state:")) protocol.bgp_state = *state;
  if (const auto address = after(line, "Neighbor address:")) protocol.neighbor = *address;
  if (const auto error = after(line, "Last error:")) protocol.last_error = *error;
  if (after(line, "Neighbor graceful restart active")) protocol.graceful_restart = true;
}

}  // namespace

uint64_t ProtocolStatus::imported() const {
  uint64_t sum = 0;
  for (const ChannelStatus& channel : channels) sum += channel.imported;
  return sum;
}
uint64_t ProtocolStatus::exported() const {
  uint64_t sum = 0;
  for (const ChannelStatus& channel : channels) sum += channel.exported;
  return sum;
}

Result<DaemonStatus> parse_daemon_status(const Reply& reply) {
  CARACAL_TRY(check(reply));
  DaemonStatus out;
  bool known = false;
  for (const ReplyLine& line : reply.lines) {
    if (line.code == kVersion) {
      out.version = after(line.text, "BIRD ").value_or(line.text);
      known = true;
    }
    if (const auto id = after(line.text, "Router ID is")) out.router_id = *id;
    if (const auto time = after(line.text, "Last reboot on")) out.booted = *time;
    if (const auto time = after(line.text, "Last reconfiguration on")) out.reconfigured = *time;
    if (line.code == kRecovering) out.recovering = true;
    if (line.code == kUp && line.text.starts_with("Reconfiguration")) out.reconfiguring = true;
    known = known || line.code == kUp || line.code == kUptime;
  }
  if (!known) return fail(Errc::kInvalid, "not a status of BIRD: " + reply.text());
  return out;
}

Result<std::vector<ProtocolStatus>> parse_protocols(const Reply& reply) {
  CARACAL_TRY(check(reply));
  std::vector<ProtocolStatus> out;
  for (const ReplyLine& line : reply.lines) {
    // After an empty line 1002 goes on as the code of details.
    if (line.code == kProtocolLine && !line.text.starts_with(' ')) {
      out.push_back(read_protocol(line.text));
    } else if (line.code == kProtocolDetails && !out.empty()) {
      read_detail(line.text, out.back());
    }
  }
  return out;
}

Result<uint64_t> parse_route_count(const Reply& reply) {
  CARACAL_TRY(check(reply));
  uint64_t sum = 0;
  bool known = false;
  for (const ReplyLine& line : reply.lines) {
    if (line.code == kRouteCountTotal) {
      const auto total = after(line.text, "Total:");
      return number(total.value_or(line.text));
    }
    if (line.code != kRouteCount) continue;
    std::string_view text = line.text;
    sum += number(take_word(text));
    known = true;
  }
  if (!known) return fail(Errc::kInvalid, "not a count of BIRD's routes: " + reply.text());
  return sum;
}

}  // namespace caracal::bgp
