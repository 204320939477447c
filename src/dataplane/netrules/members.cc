#include "dataplane/netrules/members.h"

#include <fmt/format.h>

#include "net/cidr.h"

namespace caracal::dataplane::netrules {
namespace {

NetSet of_family(NetSet v4, net::Family family) {
  return family == net::Family::kIPv4 ? v4 : static_cast<NetSet>(static_cast<uint8_t>(v4) + 1);
}

class Intervals {
 public:
  explicit Intervals(NetSet v4) : v4_(v4) {}
  // In ascending order of first addresses.
  void add(const net::Cidr& cidr) {
    if (open_ && open_family() == cidr.family()) {
      if (!behind_) return;  // the open one goes to the end of the family
      if (cidr.first() <= *behind_) {
        const auto behind = after(cidr);
        if (!behind || *behind > *behind_) behind_ = behind;
        return;
      }
    }
    close();
    open_ = true;
    first_ = cidr.first();
    behind_ = after(cidr);
  }
  void close() {
    if (open_) out_.insert({of_family(v4_, open_family()), first_, behind_});
    open_ = false;
  }
  std::set<Member> take() {
    close();
    return std::move(out_);
  }

 private:
  net::Family open_family() const { return first_.family(); }
  static std::optional<net::IpAddr> after(const net::Cidr& cidr) {
    if (cidr.last() == net::IpAddr::last(cidr.family())) return std::nullopt;
    return cidr.last().next();
  }

  NetSet v4_;
  bool open_ = false;
  net::IpAddr first_;
  std::optional<net::IpAddr> behind_;
  std::set<Member> out_;
};

}  // namespace

const std::vector<NetSetSpec>& net_set_specs() {
  using enum NetSet;
  constexpr auto k4 = net::Family::kIPv4;
  constexpr auto k6 = net::Family::kIPv6;
  static const std::vector<NetSetSpec> specs = {
      {kNatSources4, "nat_sources4", k4, true, "pools whose packets leave with a node's address"},
      {kNatSources6, "nat_sources6", k6, true, "pools whose packets leave with a node's address"},
      {kNoNat4, "no_nat4", k4, true, "destinations that see the pod's address"},
      {kNoNat6, "no_nat6", k6, true, "destinations that see the pod's address"},
      {kNoNatHosts4, "no_nat_hosts4", k4, false, "hosts that see the pod's address"},
      {kNoNatHosts6, "no_nat_hosts6", k6, false, "hosts that see the pod's address"},
      {kNodes4, "nodes4", k4, false, "nodes of the cluster, which tunnel packets may come from"},
      {kNodes6, "nodes6", k6, false, "nodes of the cluster, which tunnel packets may come from"},
  };
  return specs;
}

std::string Member::to_string() const {
  if (!spec_of(set).interval) return first.to_string();
  return fmt::format("{}-{}", first.to_string(),
                     (behind ? behind->previous() : net::IpAddr::last(first.family())).to_string());
}

std::set<Member> members_of(const desired::NetworkRules& rules) {
  std::set<Member> out;
  Intervals sources(NetSet::kNatSources4);
  for (const net::Cidr& cidr : rules.nat_sources) sources.add(cidr);
  out.merge(sources.take());
  // What nobody asks for is not kept.
  const auto natted = [&](net::Family family) {
    for (const net::Cidr& cidr : rules.nat_sources)
      if (cidr.family() == family) return true;
    return false;
  };
  Intervals no_nat(NetSet::kNoNat4);
  for (const net::Cidr& cidr : rules.no_nat) {
    if (!natted(cidr.family())) continue;
    if (cidr.is_host())
      out.insert({of_family(NetSet::kNoNatHosts4, cidr.family()), cidr.address(), std::nullopt});
    else
      no_nat.add(cidr);
  }
  out.merge(no_nat.take());
  if (rules.vxlan_port != 0 || rules.ipip)
    for (const net::IpAddr& node : rules.nodes)
      out.insert({of_family(NetSet::kNodes4, node.family()), node, std::nullopt});
  return out;
}

}  // namespace caracal::dataplane::netrules
