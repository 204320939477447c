#include "dataplane/nft/chains.h"

#include <fmt/format.h>
#include <linux/netfilter.h>

#include <unordered_map>

#include "base/check.h"
#include "dataplane/nft/sets.h"
#include "net/protocol.h"

namespace caracal::dataplane::nft {
namespace {

using desired::PortSpace;

// Priorities of hooks (linux/netfilter_ipv4.h).
constexpr int kRaw = -300;     // before connection tracking
constexpr int kMangle = -150;  // before destination NAT
constexpr int kFilter = 0;

class Chains {
 public:
  std::vector<ChainSpec> take() { return std::move(out_); }

  void add(std::string name, Parts parts = 0) { out_.push_back({std::move(name), parts, -1, 0}); }
  void base(const char* name, Parts parts, int hook, int priority) {
    out_.push_back({name, parts, hook, priority});
  }
  void each(const std::string& prefix, Parts parts, const std::vector<const char*>& endings) {
    for (const net::Family family : net::kFamilies)
      for (const SpaceSpec& space : spaces_of(family))
        for (const char* ending : endings) add(policy_chain(prefix, family, space) + ending, parts);
  }

 private:
  std::vector<ChainSpec> out_;
};

std::vector<ChainSpec> make_chains() {
  Chains out;
  const std::vector<const char*> full = {"", "_exact", "_range", "_else"};
  // Likewise where the own address matters: those behind it are for ones with an identity of their
  // own.
  const std::vector<const char*> split = {"",     "_exact",     "_range",     "_else",
                                          "_own", "_own_exact", "_own_range", "_own_else"};
  out.base("prerouting", 0, NF_INET_PRE_ROUTING, kRaw);
  out.base("input", 0, NF_INET_LOCAL_IN, kFilter);
  out.base("forward", 0, NF_INET_FORWARD, kFilter);
  out.add("workload_source");
  out.add("workload_to_host");
  out.add("to_host_denied");
  for (const auto direction : {desired::Direction::kIngress, desired::Direction::kEgress}) {
    const std::string name = name_of(direction);
    out.add(name);
    out.add(name + "_policy");
    out.each(name, 0, {""});
    out.each(name + "_wide", kPartWide, {""});
    out.add(name + "_full", kPartFull);
    out.each(name + "_full", kPartFull, full);
    out.add(name + "_split", kPartSplit);
    out.each(name + "_split", kPartSplit, split);
    out.add(name + "_logged", kPartLogging);
    out.add(name + "_mid_stream");
    out.add(name + "_denied");
  }
  out.base("host_raw_in", kPartHosts, NF_INET_PRE_ROUTING, kRaw);
  out.base("host_mangle_in", kPartHosts, NF_INET_PRE_ROUTING, kMangle);
  out.base("host_input", kPartHosts, NF_INET_LOCAL_IN, kFilter);
  out.base("host_forward", kPartHosts, NF_INET_FORWARD, kFilter);
  out.base("host_raw_out", kPartHosts, NF_INET_LOCAL_OUT, kRaw);
  out.base("host_output", kPartHosts, NF_INET_LOCAL_OUT, kFilter);
  out.base("host_postrouting", kPartHosts, NF_INET_POST_ROUTING, kMangle);
  out.add("host_postrouting_own", kPartHosts);
  out.add("host_untracked_allowed", kPartHosts);
  out.add("host_pre_dnat_allowed", kPartHosts);
  for (uint8_t i = 0; i < kHostHooks; ++i) {
    const std::string name = std::string("host_") + name_of(static_cast<desired::HostHook>(i));
    out.add(name, kPartHosts);
    out.add(name + "_policy", kPartHosts);
    out.each(name, kPartHosts, split);
    out.add(name + "_logged", kPartHosts | kPartLogging);
    out.add(name + "_denied", kPartHosts);
  }
  return out.take();
}

}  // namespace

Parts parts_needed(const desired::PolicyTables& tables) {
  Parts out = 0;
  if (!tables.wide_rows.empty()) out |= kPartWide;
  if (!tables.otherwise.empty()) out |= kPartFull;
  if (!tables.own_splits.empty() || !tables.port_splits.empty()) out |= kPartSplit;
  if (!tables.hosts.empty()) out |= kPartHosts;
  if (!tables.logged.empty()) out |= kPartLogging;
  return out;
}

std::string describe_parts(Parts parts) {
  std::string out;
  for (const auto& [part, name] : {std::pair{kPartWide, "wide rows"},
                                   {kPartFull, "otherwise"},
                                   {kPartSplit, "splits"},
                                   {kPartHosts, "host endpoints"},
                                   {kPartLogging, "logging"}})
    if ((parts & part) != 0) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

const std::vector<SpaceSpec>& spaces_of(net::Family family) {
  static const auto make = [](SpaceSpec icmp) -> std::vector<SpaceSpec> {
    return {{PortSpace::kTcp, "tcp", net::kTcp.number},
            {PortSpace::kUdp, "udp", net::kUdp.number},
            {PortSpace::kSctp, "sctp", net::kSctp.number},
            icmp,
            {PortSpace::kOther, "other", 0}};
  };
  static const auto v4 = make({PortSpace::kIcmp, "icmp", net::kIcmp.number});
  static const auto v6 = make({PortSpace::kIcmpV6, "icmpv6", net::kIcmpV6.number});
  return family == net::Family::kIPv4 ? v4 : v6;
}

const char* name_of(desired::Direction direction) {
  return direction == desired::Direction::kIngress ? "ingress" : "egress";
}

std::string policy_chain(std::string_view prefix, net::Family family, const SpaceSpec& space) {
  return fmt::format("{}_{}_{}", prefix, family == net::Family::kIPv4 ? "ipv4" : "ipv6",
                     space.name);
}

const std::vector<ChainSpec>& chain_specs() {
  static const std::vector<ChainSpec> specs = make_chains();
  return specs;
}

uint32_t chain_index(std::string_view name) {
  static const auto indexes = [] {
    std::unordered_map<std::string_view, uint32_t> out;
    const auto& chains = chain_specs();
    for (uint32_t i = 0; i < chains.size(); ++i) out.emplace(chains[i].name, i);
    return out;
  }();
  const auto found = indexes.find(name);
  CARACAL_CHECK(found != indexes.end());
  return found->second;
}

}  // namespace caracal::dataplane::nft
