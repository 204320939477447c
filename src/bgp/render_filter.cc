#include "bgp/render_filter.h"

#include <fmt/format.h>

#include <vector>

#include "base/strings.h"
#include "bgp/bird_text.h"

namespace caracal::bgp {
namespace {

using model::BgpFilterRule;
using Operator = BgpFilterRule::Operator;

const std::vector<BgpFilterRule>& rules_of(const model::BgpFilter& filter, Direction direction,
                                           net::Family family) {
  if (direction == Direction::kImport)
    return family == net::Family::kIPv4 ? filter.import_v4 : filter.import_v6;
  return family == net::Family::kIPv4 ? filter.export_v4 : filter.export_v6;
}

// In and NotIn take the lengths into the pattern: NotIn is true of a prefix inside the range whose
// length is outside of the limits.
std::string render_prefix(const BgpFilterRule::Prefix& prefix) {
  const std::string cidr = prefix.cidr.to_string();
  const bool within = prefix.op == Operator::kIn || prefix.op == Operator::kNotIn;
  const bool lengths = prefix.min_length || prefix.max_length;
  if (within) {
    const int least = prefix.min_length ? *prefix.min_length : prefix.cidr.bits();
    const int most =
        prefix.max_length ? *prefix.max_length : net::address_bits(prefix.cidr.family());
    if (least > most) return prefix.op == Operator::kIn ? "false" : "true";
    const std::string pattern =
        lengths ? fmt::format("{}{{{},{}}}", cidr, least, most) : cidr + "+";
    return fmt::format("net {} [ {} ]", prefix.op == Operator::kIn ? "~" : "!~", pattern);
  }
  std::string out = fmt::format("net {} {}", prefix.op == Operator::kEqual ? "=" : "!=", cidr);
  if (prefix.min_length) out += fmt::format(" && net.len >= {}", *prefix.min_length);
  if (prefix.max_length) out += fmt::format(" && net.len <= {}", *prefix.max_length);
  return out;
}

std::string render_conditions(const BgpFilterRule& rule) {
  std::vector<std::string> all;
  if (rule.prefix) all.push_back(render_prefix(*rule.prefix));
  if (rule.from_remote_peers) all.emplace_back("source = RTS_BGP");
  if (!rule.interface.empty()) {
    // No interface has a name that cannot be written.
    const auto pattern = bird_string(rule.interface);
    all.push_back(pattern ? "defined(ifname) && ifname ~ " + *pattern : "false");
  }
  if (rule.external) all.emplace_back(*rule.external ? "external_peer" : "! external_peer");
  if (rule.community) {
    all.push_back(render_community(*rule.community) + " ~ " + community_attribute(*rule.community));
  }
  if (!rule.as_path_prefix.empty())
    all.push_back(fmt::format("bgp_path ~ [= {} * =]", fmt::join(rule.as_path_prefix, " ")));
  if (rule.priority)
    all.push_back(fmt::format("defined(krt_metric) && krt_metric = {}", *rule.priority));
  return all.empty() ? "true" : join(all, " && ");
}

std::string render_operations(const BgpFilterRule& rule) {
  std::string out;
  for (const BgpFilterRule::Operation& operation : rule.operations) {
    if (operation.add_community) {
      out += fmt::format("{}.add({}); ", community_attribute(*operation.add_community),
                         render_community(*operation.add_community));
    }
    // The last one put in front stands first.
    for (size_t i = operation.prepend_as_path.size(); i-- > 0;)
      out += fmt::format("bgp_path.prepend({}); ", operation.prepend_as_path[i]);
    if (operation.set_priority) out += fmt::format("krt_metric = {}; ", *operation.set_priority);
  }
  return out;
}

}  // namespace

std::string render_community(const model::BgpCommunity& community) {
  return fmt::format("({})", fmt::join(community.parts, ", "));
}

const char* community_attribute(const model::BgpCommunity& community) {
  return community.parts.size() == 3 ? "bgp_large_community" : "bgp_community";
}

std::string filter_function(const std::string& filter, Direction direction, net::Family family) {
  return bird_symbol(direction == Direction::kImport ? "import" : "export", filter) +
         (family == net::Family::kIPv4 ? "_v4" : "_v6");
}

std::string render_filter(const model::BgpFilter& filter, Direction direction, net::Family family) {
  const auto& rules = rules_of(filter, direction, family);
  if (rules.empty()) return {};
  std::string out = bird_comment("BGPFilter " + filter.name) + "\n";
  out += fmt::format("function {}(bool external_peer) {{\n",
                     filter_function(filter.name, direction, family));
  for (const BgpFilterRule& rule : rules) {
    out +=
        fmt::format("  if {} then {{ {}{}; }}\n", render_conditions(rule),
                    rule.accept ? render_operations(rule) : "", rule.accept ? "accept" : "reject");
  }
  return out + "}\n";
}

}  // namespace caracal::bgp
