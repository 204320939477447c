#include "bgp/peer_report.h"

#include <fmt/format.h>

#include <map>

namespace caracal::bgp {
namespace {

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// Linux drops segments whose TCP-MD5 signature is missing or wrong without an answer, so on this
// side it looks like a firewall.
std::string unanswered(const Session& session, const std::string& address) {
  const char* secret = session.password.empty()
                           ? "or the peer expects a password (TCP-MD5) where none is set here"
                           : "or the passwords (TCP-MD5) of the two sides differ";
  return fmt::format(
      "{} does not answer on TCP port {}: it is down, a firewall drops the packets, {}", address,
      session.port, secret);
}

}  // namespace

std::string why_not_up(const Session& session, const ProtocolStatus& status) {
  if (status.bgp_state == "Established" && status.state == "up") return {};
  const std::string address = session.address.to_string();
  const std::string& error = status.last_error;
  const bool received = error.starts_with("Received:");
  if (has(error, "No listening socket")) {
    return fmt::format(
        "this node cannot listen on port {}: another program (another BIRD, FRR) "
        "has it, or the address {} is not on any interface",
        session.local_port, session.local_address ? session.local_address->to_string() : "");
  }
  if (has(error, "Bad peer AS")) {
    if (received) {
      return fmt::format("{} refuses this node's AS number {}: it is configured with another one",
                         address, session.local_as);
    }
    return fmt::format("{} has another AS number than {}, which is configured here", address,
                       session.as_number);
  }
  if (has(error, "Bad BGP identifier") || has(error, "BGP identifier")) {
    return fmt::format("router ids clash: {} and this node have the same, or it has none", address);
  }
  if (status.bgp_state == "OpenSent" || status.bgp_state == "OpenConfirm")
    return fmt::format("connected to {}, the session is being negotiated", address);
  if (session.passive) {
    // What ended the session before is no reason why there is no new one.
    return fmt::format(
        "waits for {} to connect (of two nodes the one with the greater address "
        "does): look at that side for the reason{}{}",
        session.peer.empty() ? address : session.peer,
        session.password.empty() ? ""
                                 : "; where passwords (TCP-MD5) differ it looks like this, too",
        error.empty() ? "" : " (last error: " + error + ")");
  }
  if (has(error, "Connection refused")) {
    return fmt::format(
        "{} is there, but nothing listens on its TCP port {}: its BGP daemon does "
        "not run, or listens elsewhere",
        address, session.port);
  }
  if (has(error, "No route to host") || has(error, "unreachable")) {
    return fmt::format(
        "{} cannot be reached from this node ({}): it is down, or a route or "
        "firewall between is wrong",
        address, error);
  }
  if (has(error, "Hold timer expired"))
    return fmt::format("{} fell silent: no keepalive within the hold time", address);
  if (has(error, "shutdown") || has(error, "Shutdown") || has(error, "de-configured") ||
      has(error, "Administrative")) {
    return received ? fmt::format("{} has ended the session on purpose ({})", address, error)
                    : fmt::format("the session was ended here ({})", error);
  }
  if (has(error, "Connection closed") || has(error, "Connection reset") ||
      has(error, "Connection rejected")) {
    return fmt::format(
        "{} takes the connection and closes it: it has no session configured with "
        "this node's address{}",
        address, session.local_address ? " " + session.local_address->to_string() : "");
  }
  if (has(error, "Neighbor lost") || has(status.info, "Neighbor lost")) {
    return fmt::format("{} is on no directly connected network of this node", address);
  }
  if (!error.empty() && !has(error, "timed out")) {
    return fmt::format("{}: {}", address, error);
  }
  return unanswered(session, address);
}

std::vector<PeerReport> report_peers(const Config& config,
                                     const std::vector<ProtocolStatus>& protocols,
                                     const std::string& daemon) {
  std::map<std::string_view, const ProtocolStatus*> by_name;
  for (const ProtocolStatus& protocol : protocols) by_name.emplace(protocol.name, &protocol);
  std::vector<PeerReport> out;
  out.reserve(config.sessions.size());
  for (const Session& session : config.sessions) {
    PeerReport report;
    report.name = session.name;
    report.peer = session.peer;
    report.address = session.address.to_string();
    if (!session.interface.empty()) report.address += "%" + session.interface;
    report.kind = to_string(session.kind);
    report.source = session.source;
    report.as_number = session.as_number;
    report.family = net::to_string(session.family());
    report.state = "Down";
    const auto found = by_name.find(session.name);
    if (!daemon.empty()) {
      report.why_not_up = daemon;
    } else if (found == by_name.end()) {
      report.why_not_up = "BIRD does not know this session yet: its configuration is not in force";
    } else {
      const ProtocolStatus& status = *found->second;
      report.state = status.bgp_state.empty() ? status.state : status.bgp_state;
      report.since = status.since;
      report.last_error = status.last_error;
      report.imported = status.imported();
      report.exported = status.exported();
      report.graceful_restart = status.graceful_restart;
      report.why_not_up = why_not_up(session, status);
      report.up = report.why_not_up.empty();
    }
    out.push_back(std::move(report));
  }
  return out;
}

json::object to_json(const PeerReport& report) {
  json::object out{{"name", report.name},
                   {"peer", report.peer},
                   {"address", report.address},
                   {"kind", report.kind},
                   {"source", report.source},
                   {"asNumber", report.as_number},
                   {"family", report.family},
                   {"state", report.state},
                   {"up", report.up},
                   {"since", report.since},
                   {"imported", report.imported},
                   {"exported", report.exported},
                   {"gracefulRestart", report.graceful_restart}};
  if (!report.last_error.empty()) out["lastError"] = report.last_error;
  if (!report.why_not_up.empty()) out["whyNotUp"] = report.why_not_up;
  return out;
}

}  // namespace caracal::bgp
