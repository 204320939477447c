#include "policy/testing/question.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "policy/testing/random_parts.h"
#include "policy/testing/random_world.h"

namespace caracal::policy_testing {
namespace {

namespace oracle = policy::oracle;
using desired::PortSpace;
using desired::TableVerdict;
using Decision = oracle::DirectionExplanation::Decision;

PortSpace space_of(net::Protocol protocol) {
  if (protocol == net::kTcp) return PortSpace::kTcp;
  if (protocol == net::kUdp) return PortSpace::kUdp;
  if (protocol == net::kSctp) return PortSpace::kSctp;
  if (protocol == net::kIcmp) return PortSpace::kIcmp;
  if (protocol == net::kIcmpV6) return PortSpace::kIcmpV6;
  return PortSpace::kOther;
}

desired::PacketKey packet_of(const Question& q) {
  const bool ingress = q.direction == model::Direction::kIngress;
  const oracle::Flow& flow = q.flow;
  desired::PacketKey out;
  out.peer = ingress ? flow.source : flow.destination;
  out.own = ingress ? flow.destination : flow.source;
  out.space = space_of(flow.protocol);
  out.source_port = flow.source_port;
  if (out.space == PortSpace::kOther) {
    out.port = flow.protocol.number;
  } else if (out.space == PortSpace::kIcmp || out.space == PortSpace::kIcmpV6) {
    out.port = static_cast<uint16_t>(flow.icmp_type.value_or(0) * 256 + flow.icmp_code.value_or(0));
  } else {
    out.port = flow.port.value_or(0);
  }
  return out;
}

TableVerdict same_verdict(oracle::Verdict verdict) {
  switch (verdict) {
    case oracle::Verdict::kAllowed:
      return TableVerdict::kAllowed;
    case oracle::Verdict::kDenied:
      return TableVerdict::kDenied;
    case oracle::Verdict::kUndecided:
      break;
  }
  return TableVerdict::kUndecided;
}

std::string_view to_string(TableVerdict verdict) {
  constexpr std::string_view kWords[] = {"allowed", "denied", "undecided"};
  return kWords[static_cast<size_t>(verdict)];
}

bool verdicts_agree(const model::World& world, const Question& q,
                    const oracle::DirectionExplanation& said, TableVerdict tables) {
  const TableVerdict expected = same_verdict(said.verdict);
  if (!q.hook) return tables == expected;
  switch (*q.hook) {
    case oracle::HostHook::kForwardIngress:
    case oracle::HostHook::kForwardEgress:
      // "Open" and "nothing here" are the same to forwarded traffic.
      return (tables == TableVerdict::kDenied) == (expected == TableVerdict::kDenied);
    case oracle::HostHook::kIngress:
    case oracle::HostHook::kEgress:
      return tables == expected;
    default:
      break;
  }
  // Here a failsafe port may be let through by the tables, or go on; it is never denied.
  if (oracle::is_failsafe(world, *q.hook, q.flow))
    return (tables == TableVerdict::kDenied) == (expected == TableVerdict::kDenied);
  return tables == expected;
}

struct AddressPicker {
  std::set<net::IpAddr>& out;

  void add(const net::Cidr& block) const {
    out.insert(block.first());
    out.insert(block.last());
    out.insert(block.first().previous());
    out.insert(block.last().next());
  }
  void add(const std::vector<net::IpAddr>& list) const { out.insert(list.begin(), list.end()); }
  void add(const model::Peer& peer) const {
    const auto* block = std::get_if<model::CidrPeer>(&peer);
    if (block == nullptr) return;
    add(block->net);
    for (const net::Cidr& except : block->except) add(except);
  }
  void add(const model::EndMatch& end) const {
    for (const auto& list : end.all_of)
      for (const model::Peer& peer : list) add(peer);
    for (const model::Peer& peer : end.none_of) add(peer);
  }
  void add(const std::vector<model::Rule>& rules) const {
    for (const model::Rule& rule : rules) {
      add(rule.peer);
      add(rule.self);
    }
  }
};

class Sampler {
 public:
  Sampler(const model::World& world, std::mt19937& random)
      : world_(world), random_(random), ports_(interesting_ports()) {
    for (const net::IpAddr& address : interesting_addresses(world))
      addresses_[address.is_v4()].push_back(address);
    for (const auto& [name, endpoint] : world.local_endpoints)
      if (!endpoint.addresses.empty()) endpoints_.push_back(&endpoint);
  }

  std::optional<Question> pod_question() {
    if (endpoints_.empty()) return std::nullopt;
    const model::LocalEndpoint& endpoint = *pick(endpoints_);
    Question q;
    q.interface = endpoint.interface;
    q.direction = below(2) ? model::Direction::kIngress : model::Direction::kEgress;
    fill(q, pick(endpoint.addresses));
    return q;
  }

  Question host_question() {
    std::vector<std::string> interfaces = {"eth9"};
    for (const auto& [name, interface] : world_.host_interfaces) interfaces.push_back(name);
    for (const auto& [name, host] : world_.host_endpoints)
      if (host.interface != "*" && !host.interface.empty()) interfaces.push_back(host.interface);
    Question q;
    q.interface = pick(interfaces);
    q.hook = static_cast<oracle::HostHook>(below(7));
    q.direction = oracle::direction_of(*q.hook);
    std::vector<net::IpAddr> own = addresses_[below(2)];
    for (const auto& [name, interface] : world_.host_interfaces) {
      if (below(2) && !interface.addresses.empty()) own = interface.addresses;
    }
    fill(q, pick(own));
    if (below(4) == 0) {
      q.flow.protocol = below(2) ? net::kTcp : net::kUdp;
      q.flow.icmp_type.reset();
      q.flow.icmp_code.reset();
      q.flow.port = below(2) ? 22 : 53;
      q.flow.source_port = pick(ports_);
    }
    return q;
  }

 private:
  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }
  template <typename T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }

  void fill(Question& q, const net::IpAddr& own) {
    const net::IpAddr& peer = pick(addresses_[own.is_v4()]);
    const bool ingress = q.direction == model::Direction::kIngress;
    q.flow.source = ingress ? peer : own;
    q.flow.destination = ingress ? own : peer;
    const std::vector<net::Protocol> protocols = {
        net::kTcp,        net::kTcp, net::kUdp, net::kSctp, own.is_v4() ? net::kIcmp : net::kIcmpV6,
        net::Protocol{47}};
    q.flow.protocol = pick(protocols);
    if (q.flow.protocol.has_ports()) {
      q.flow.port = pick(ports_);
      q.flow.source_port = pick(ports_);
    } else if (q.flow.protocol != net::Protocol{47}) {
      static const std::vector<uint8_t> kTypes = {0, 3, 4, 8, 128, 255};
      q.flow.icmp_type = pick(kTypes);
      q.flow.icmp_code = static_cast<uint8_t>(below(3));
    }
  }

  const model::World& world_;
  std::mt19937& random_;
  std::vector<uint16_t> ports_;
  std::vector<net::IpAddr> addresses_[2];  // by is_v4()
  std::vector<const model::LocalEndpoint*> endpoints_;
};

}  // namespace

std::string to_string(const Question& q) {
  std::string out = q.hook ? std::string(oracle::to_string(*q.hook))
                           : (q.direction == model::Direction::kIngress ? "ingress" : "egress");
  out += fmt::format(" of {}: {} -> {} {}", q.interface, q.flow.source.to_string(),
                     q.flow.destination.to_string(), q.flow.protocol.to_string());
  if (q.flow.port) out += fmt::format("/{} from {}", *q.flow.port, q.flow.source_port.value_or(0));
  if (q.flow.icmp_type)
    out += fmt::format(" type {} code {}", *q.flow.icmp_type, q.flow.icmp_code.value_or(0));
  return out;
}

oracle::DirectionExplanation ask_oracle(const model::World& world, const Question& q) {
  if (q.hook) return oracle::explain_host(world, kThisNode, *q.hook, q.interface, q.flow);
  return oracle::explain_direction(world, q.direction, world.local_endpoints.at(q.interface).pod,
                                   q.flow);
}

desired::Decision ask_tables(const desired::PolicyTables& tables, const Question& q) {
  const desired::PacketKey packet = packet_of(q);
  if (q.hook)
    return desired::decide(tables, static_cast<desired::HostHook>(*q.hook), q.interface, packet);
  const auto direction = q.direction == model::Direction::kIngress ? desired::Direction::kIngress
                                                                   : desired::Direction::kEgress;
  return desired::decide(tables, direction, q.interface, packet);
}

std::string disagreement(const model::World& world, const desired::PolicyTables& tables,
                         const Question& q) {
  const auto said = ask_oracle(world, q);
  const desired::Decision decision = ask_tables(tables, q);
  if (!verdicts_agree(world, q, said, decision.verdict))
    return fmt::format("{}: the tables say {}, the oracle says {}", to_string(q),
                       to_string(decision.verdict), oracle::to_string(said.verdict));
  const bool failsafe = q.hook && oracle::is_failsafe(world, *q.hook, q.flow);
  if (decision.logged != said.logged && !failsafe)
    return fmt::format("{}: {} by the tables, {} by the oracle", to_string(q),
                       decision.logged ? "logged" : "not logged",
                       said.logged ? "logged" : "not logged");
  return "";
}

std::vector<net::IpAddr> interesting_addresses(const model::World& world) {
  std::set<net::IpAddr> out;
  const AddressPicker picker{out};
  for (const char* text : {"203.0.113.7", "2001:db8:ffff::7", "0.0.0.0", "::", "255.255.255.255",
                           "192.0.2.10", "2001:db8::10"})
    out.insert(*net::IpAddr::parse(text));
  for (const auto& [id, policy] : world.policies) {
    picker.add(policy.ingress);
    picker.add(policy.egress);
  }
  for (const auto& [name, pod] : world.pods) picker.add(pod.addresses);
  for (const auto& [name, endpoint] : world.local_endpoints) picker.add(endpoint.addresses);
  for (const auto& [name, host] : world.host_endpoints) picker.add(host.addresses);
  for (const auto& [name, slice] : world.endpoint_slices) picker.add(slice.addresses);
  for (const auto& [name, set] : world.network_sets)
    for (const net::Cidr& block : set.nets) picker.add(block);
  return {out.begin(), out.end()};
}

std::vector<uint16_t> interesting_ports() {
  const auto& pool = port_pool();
  std::set<uint16_t> out(pool.begin(), pool.end());
  for (const uint16_t port : pool) {
    if (port > 0) out.insert(static_cast<uint16_t>(port - 1));
    if (port < 65535) out.insert(static_cast<uint16_t>(port + 1));
  }
  return {out.begin(), out.end()};
}

std::vector<Question> sample_questions(const model::World& world, std::mt19937& random,
                                       size_t count, bool hosts) {
  Sampler sampler(world, random);
  std::vector<Question> out;
  for (size_t i = 0; i < count; ++i) {
    if (hosts && random() % 2 == 0) {
      out.push_back(sampler.host_question());
    } else if (auto question = sampler.pod_question()) {
      out.push_back(std::move(*question));
    }
  }
  return out;
}

}  // namespace caracal::policy_testing
