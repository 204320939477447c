// Explanation as a tree of lines: tiers, policies, rules, and of a rule what it compared.
#include <fmt/format.h>

#include <algorithm>

#include "policy/oracle/explanation.h"
#include "policy/oracle/words.h"

namespace caracal::policy::oracle {
namespace {

// Longer lists are cut short here; the JSON form has all of it.
constexpr size_t kShownPeers = 8;
constexpr size_t kShownPolicies = 20;

// A line with its lines below.
struct Line {
  std::string text;
  std::vector<Line> below;
};

void draw(std::string& out, const std::vector<Line>& lines, const std::string& indent) {
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool last = i + 1 == lines.size();
    out += indent + (last ? "└─ " : "├─ ") + lines[i].text + "\n";
    draw(out, lines[i].below, indent + (last ? "   " : "│  "));
  }
}

// A line for each check that `shown` picks, and how many more there are.
template <typename Check, typename Shown, typename Text>
void add_lines(Line& line, const std::vector<Check>& checks, const Shown& shown, const Text& text) {
  size_t more = 0;
  size_t count = 0;
  for (const Check& check : checks) {
    if (!shown(check)) continue;
    if (++count > kShownPeers) {
      ++more;
    } else {
      line.below.push_back({text(check), {}});
    }
  }
  if (more > 0) line.below.push_back({fmt::format("and {} more", more), {}});
}

// What the lines about one rule call the two ends.
struct Ends {
  std::string_view far;
  std::string_view own;
};

// Of a list that must match: why it does not. Of one that must not match: what of it does.
class RuleLines {
 public:
  RuleLines(Line& line, const RuleCheck& rule, Ends ends) : line_(line), rule_(rule), ends_(ends) {}

  void add_failed() {
    using Condition = RuleCheck::Condition;
    switch (rule_.failed) {
      case Condition::kNone:
        return;
      case Condition::kFamily:
        line_.below.push_back({fmt::format("for {} only", net::to_string(*rule_.family)), {}});
        return;
      case Condition::kPeer:
        return add_all_of(rule_.peer, ends_.far);
      case Condition::kNotPeer:
        return add_none_of(rule_.peer, ends_.far);
      case Condition::kSelf:
        return add_all_of(rule_.self, ends_.own);
      case Condition::kNotSelf:
        return add_none_of(rule_.self, ends_.own);
      case Condition::kPorts:
        return add_ports(*rule_.ports, "port");
      case Condition::kNotPorts:
        return add_not_ports(rule_.not_ports, "port");
      case Condition::kSourcePorts:
        return add_ports(*rule_.source_ports, "source port");
      case Condition::kNotSourcePorts:
        return add_not_ports(rule_.not_source_ports, "source port");
    }
  }

  void add_matching() {
    for (const auto& [end, name] : {std::pair(&rule_.peer, ends_.far), {&rule_.self, ends_.own}}) {
      for (const auto& list : end->all_of) {
        add_lines(
            line_, list, [](const PeerCheck& c) { return c.matches(); },
            [&](const PeerCheck& c) { return peer_line(c, name); });
      }
      if (!end->none_of.empty())
        line_.below.push_back(
            {fmt::format("{} none of {} exceptions", name, end->none_of.size()), {}});
    }
    if (rule_.peer.all_of.empty() && rule_.peer.none_of.empty())
      line_.below.push_back({fmt::format("{} everything", ends_.far), {}});
    const auto matching = [&](const std::vector<PortCheck>& checks, std::string_view name) {
      add_lines(
          line_, checks, [](const PortCheck& c) { return c.matches(); },
          [&](const PortCheck& c) { return port_line(c, name); });
    };
    if (rule_.ports) matching(*rule_.ports, "port");
    if (rule_.source_ports) matching(*rule_.source_ports, "source port");
    if (!rule_.ports && !rule_.source_ports) line_.below.push_back({"every port", {}});
  }

 private:
  static std::string peer_line(const PeerCheck& check, std::string_view end) {
    return fmt::format("{} {}: {}", end, peer_text(check.peer), why(check));
  }
  static std::string port_line(const PortCheck& check, std::string_view name) {
    return fmt::format("{} {}: {}", name, port_text(check.port), why(check));
  }

  void add_all_of(const EndCheck& check, std::string_view end) {
    for (const auto& list : check.all_of) {
      if (std::any_of(list.begin(), list.end(), [](const auto& c) { return c.matches(); }))
        continue;
      if (list.empty()) line_.below.push_back({fmt::format("{} nothing", end), {}});
      add_lines(
          line_, list, [](const PeerCheck&) { return true; },
          [&](const PeerCheck& c) { return peer_line(c, end); });
      return;
    }
  }
  void add_none_of(const EndCheck& check, std::string_view end) {
    add_lines(
        line_, check.none_of, [](const PeerCheck& c) { return c.matches(); },
        [&](const PeerCheck& c) { return fmt::format("not {}", peer_line(c, end)); });
  }
  void add_ports(const std::vector<PortCheck>& checks, std::string_view name) {
    if (checks.empty()) line_.below.push_back({fmt::format("no {}", name), {}});
    add_lines(
        line_, checks, [](const PortCheck&) { return true; },
        [&](const PortCheck& c) { return port_line(c, name); });
  }
  void add_not_ports(const std::vector<PortCheck>& checks, std::string_view name) {
    add_lines(
        line_, checks, [](const PortCheck& c) { return c.matches(); },
        [&](const PortCheck& c) { return fmt::format("not {}", port_line(c, name)); });
  }

  Line& line_;
  const RuleCheck& rule_;
  Ends ends_;
};

Line line_of(const RuleCheck& rule, model::Direction direction) {
  const Ends ends =
      direction == model::Direction::kIngress ? Ends{"from", "to"} : Ends{"to", "from"};
  Line line;
  line.text =
      fmt::format("rule {}{}: {}", rule.index, rule.name.empty() ? "" : " \"" + rule.name + "\"",
                  rule.matches() ? "matches" : "does not match");
  if (rule.action != model::Action::kAllow)
    line.text += fmt::format(", action {}", word(rule.action));
  RuleLines lines(line, rule, ends);
  if (rule.matches()) {
    lines.add_matching();
  } else {
    lines.add_failed();
  }
  return line;
}

Line line_of(const PolicyCheck& check, model::Direction direction) {
  Line line{fmt::format("{}: {}", check.id.to_string(), why(check, direction)), {}};
  for (const std::string& warning : check.warnings) line.below.push_back({"note: " + warning, {}});
  for (const RuleCheck& rule : check.rules) line.below.push_back(line_of(rule, direction));
  return line;
}

Line line_of(const TierCheck& check, model::Direction direction) {
  Line line{fmt::format("tier {}{}: {}", check.name, check.missing ? " (does not exist)" : "",
                        why(check)),
            {}};
  size_t hidden = 0;
  size_t others = 0;
  for (const PolicyCheck& policy : check.policies) {
    if (!policy.applies() && ++others > kShownPolicies) {
      ++hidden;
    } else {
      line.below.push_back(line_of(policy, direction));
    }
  }
  if (hidden > 0)
    line.below.push_back({fmt::format("and {} policies that do not apply", hidden), {}});
  return line;
}

Line line_of(const DirectionExplanation& side, const net::IpAddr& address) {
  std::string self = address.to_string();
  if (side.endpoint) self = "pod " + side.endpoint->to_string();
  if (side.host_endpoint) self = "host endpoint " + *side.host_endpoint;
  Line line;
  line.text = fmt::format("{} of {}{}: {}, {}", word(side.direction), self,
                          side.hook ? fmt::format(" ({})", to_string(*side.hook)) : "",
                          to_string(side.verdict), why(side));
  if (side.logged) line.text += "; logged";
  for (const TierCheck& tier : side.tiers) line.below.push_back(line_of(tier, side.direction));
  if (side.other_namespaces > 0) {
    line.below.push_back({fmt::format("{} {} of other namespaces", side.other_namespaces,
                                      side.other_namespaces == 1 ? "policy" : "policies"),
                          {}});
  }
  return line;
}

}  // namespace

std::string to_text(const DirectionExplanation& side) {
  const Line line = line_of(side, {});
  std::string out = line.text + "\n";
  draw(out, line.below, "");
  return out;
}

std::string to_text(const Explanation& explanation) {
  const Flow& flow = explanation.flow;
  const auto end = [](const net::IpAddr& address, const std::optional<model::ObjectName>& pod) {
    return pod ? fmt::format("{} ({})", pod->to_string(), address.to_string())
               : address.to_string();
  };
  std::string out = fmt::format("{} -> {} {}: {}\n", end(flow.source, flow.source_pod),
                                end(flow.destination, flow.destination_pod), protocol_text(flow),
                                to_string(explanation.verdict));
  draw(out,
       {line_of(explanation.egress, flow.source), line_of(explanation.ingress, flow.destination)},
       "");
  return out;
}

}  // namespace caracal::policy::oracle
