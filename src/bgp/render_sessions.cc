#include "bgp/render_sessions.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "bgp/bird_text.h"
#include "bgp/render_filter.h"

namespace caracal::bgp {
namespace {

// What the field of RFC 4724 holds.
constexpr uint32_t kLongestRestart = 4095;

const char* suffix_of(net::Family family) { return family == net::Family::kIPv4 ? "v4" : "v6"; }

// The calls of a session's BGPFilters that have rules for the direction; empty: none has.
std::string render_calls(const Config& config, const Session& session, Direction direction) {
  std::string out;
  for (const std::string& name : session.filters) {
    const auto filter = config.filters.find(name);
    if (filter == config.filters.end()) continue;
    if (render_filter(filter->second, direction, session.family()).empty()) continue;
    out += fmt::format("{}({}); ", filter_function(name, direction, session.family()),
                       session.internal() ? "false" : "true");
  }
  return out;
}

class Sessions {
 public:
  explicit Sessions(const Config& config) : config_(config) {}

  std::string render() {
    std::vector<std::string> common;
    std::map<std::string, size_t> uses;
    common.reserve(config_.sessions.size());
    for (const Session& session : config_.sessions)
      ++uses[common.emplace_back(render_common(session))];

    std::string text = std::move(filters_);
    std::map<std::string, std::string> templates;
    for (size_t i = 0; i < common.size(); ++i) {
      const Session& session = config_.sessions[i];
      if (uses[common[i]] == 1) {
        text += fmt::format("\nprotocol bgp {} {{\n{}{}}}\n", session.name, render_peer(session),
                            common[i]);
        continue;
      }
      std::string& name = templates[common[i]];
      if (name.empty()) {
        name = fmt::format("sessions_{}", templates.size());
        text += fmt::format("\ntemplate bgp {} {{\n{}}}\n", name, common[i]);
      }
      text += fmt::format("\nprotocol bgp {} from {} {{\n{}}}\n", session.name, name,
                          render_peer(session));
    }
    return text;
  }

 private:
  // What only this session has.
  static std::string render_peer(const Session& session) {
    const std::string from =
        !session.source.empty() ? "BGPPeer " + session.source : std::string("node mesh");
    std::string out = fmt::format(
        "  description {};\n  neighbor {} port {} as {};\n",
        bird_description(session.peer.empty() ? from : fmt::format("{} ({})", session.peer, from)),
        session.address.to_string(), session.port, session.as_number);
    if (const auto interface = bird_string(session.interface); !session.interface.empty())
      out += fmt::format("  interface {};\n", interface.value_or("\"\""));
    return out;
  }

  std::string render_common(const Session& session) {
    std::string out = "  local";
    if (session.local_address) out += " " + session.local_address->to_string();
    out += fmt::format(" port {} as {};\n", session.local_port, session.local_as);
    const bool direct = session.direct || !session.interface.empty();
    if (direct) {
      out += "  direct;\n";
    } else if (session.ttl_security) {
      out += fmt::format("  multihop {};\n", *session.ttl_security);
    } else {
      out += "  multihop;\n";
    }
    if (session.ttl_security) out += "  ttl security on;\n";
    if (session.bind_local) out += "  strict bind on;\n";
    if (session.passive) out += "  passive on;\n";
    if (!session.password.empty()) {
      // The plan leaves out sessions whose password cannot be written.
      out += fmt::format("  password {};\n", bird_string(session.password).value_or("\"\""));
    }
    out += fmt::format(
        "  connect delay time 2;\n"
        "  connect retry time 5;\n"
        "  error wait time 5, 30;\n"
        "  graceful restart on;\n"
        "  graceful restart time {};\n",
        std::min(session.restart_seconds, kLongestRestart));
    if (session.keepalive_seconds)
      out += fmt::format("  keepalive time {};\n", *session.keepalive_seconds);
    if (session.allowed_local_as)
      out += fmt::format("  allow local as {};\n", *session.allowed_local_as);
    if (session.bfd) out += "  bfd on;\n";
    if (session.cluster_id) {
      out += fmt::format("  rr client;\n  rr cluster id {};\n", session.cluster_id->to_string());
    }
    out += fmt::format("  {} {{\n    gateway {};\n    add paths on;\n",
                       session.family() == net::Family::kIPv4 ? "ipv4" : "ipv6",
                       session.interface.empty() ? "recursive" : "direct");
    using NextHop = model::BgpPeer::NextHop;
    if (session.next_hop == NextHop::kSelf) out += "    next hop self;\n";
    if (session.next_hop == NextHop::kKeep) out += "    next hop keep;\n";
    return out + fmt::format("    import {};\n    export {};\n  }};\n",
                             filter(session, Direction::kImport),
                             filter(session, Direction::kExport));
  }

  // "all", "none" or "filter NAME"; one that is new is added to filters_. Its name says what it
  // does, so that it is the same filter to BIRD's next reload.
  std::string filter(const Session& session, Direction direction) {
    const bool import = direction == Direction::kImport;
    const std::string calls = render_calls(config_, session, direction);
    const char* suffix = suffix_of(session.family());
    if (import && calls.empty()) return session.import_by_filter_only ? "none" : "all";
    const char* end = session.import_by_filter_only ? "reject" : "accept";
    const std::string body =
        import ? calls + end + ";" : fmt::format("{}tell_{}(); reject;", calls, suffix);
    std::string& name = names_[body];
    if (name.empty()) {
      name = fmt::format("{}_{}", import ? "from_peer" : "to_peer", suffix);
      if (!calls.empty()) name = bird_symbol(name, join(session.filters, " ") + " " + body);
      filters_ += fmt::format("filter {} {{ {} }}\n", name, body);
    }
    return "filter " + name;
  }

  const Config& config_;
  std::string filters_;
  std::map<std::string, std::string> names_;  // of filters, by body
};

}  // namespace

std::string render_sessions(const Config& config) { return Sessions(config).render(); }

}  // namespace caracal::bgp
