#include "bgp/session_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "base/sha1.h"

namespace caracal::bgp {
namespace {

using model::BgpConfiguration;
using model::BgpPeer;
using model::NodeNetwork;

bool matches(const selector::Selector& selector, const model::Labels& labels) {
  return selector.matches([&](std::string_view key) -> std::optional<std::string_view> {
    const auto found = labels.find(key);
    if (found == labels.end()) return std::nullopt;
    return std::string_view(found->second);
  });
}

// Is `node` one of those that have the peer?
bool has_peer(const BgpPeer& peer, const NodeNetwork& node) {
  if (!peer.node.empty()) return peer.node == node.name;
  return !peer.nodes || matches(*peer.nodes, node.labels);
}

SessionKind kind_of(const BgpPeer& peer) {
  return peer.node.empty() && !peer.nodes ? SessionKind::kGlobal : SessionKind::kNode;
}

std::string_view prefix_of(SessionKind kind) {
  switch (kind) {
    case SessionKind::kMesh:
      return "Mesh_";
    case SessionKind::kNode:
      return "Node_";
    case SessionKind::kGlobal:
      return "Global_";
    case SessionKind::kLocalWorkload:
      return "Local_Workload_";
  }
  return "";
}

// A name BIRD takes without quoting: letters, digits and "_". The colons of IPv6 become "_", so
// "::" stays visible as "__".
std::string protocol_name(const Session& session) {
  std::string name(prefix_of(session.kind));
  const auto append = [&](std::string_view text) {
    for (const char c : text) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  };
  append(session.address.to_string());
  if (!session.interface.empty()) append("_" + session.interface);
  if (session.port != kDefaultPort) append(fmt::format("_port_{}", session.port));
  // BIRD's names end at 64 characters.
  if (name.size() > 60) name = name.substr(0, 50) + "_" + sha1_hex(name).substr(0, 8);
  return name;
}

class Planner {
 public:
  explicit Planner(const World& world, const NodeNetwork& self)
      : world_(world), self_(self), own_as_(as_number_of(world, self)) {
    const Settings settings(world, self.name);
    port_ = settings.port();
    bind_ = settings.value(&BgpConfiguration::bind_node_ip).value_or(false);
    for (const auto& [name, node] : world.nodes) {
      for (const net::Family family : net::kFamilies) {
        if (const auto& address = node.of(family).address)
          nodes_by_address_.emplace(address->address, &node);
      }
    }
  }

  void plan_peer(const BgpPeer& peer) {
    const bool forward = has_peer(peer, self_);
    if (forward && peer.peer_ip) to_address(peer);
    if (forward && peer.local_workloads) to_local_workloads(peer);
    if (!peer.peers) return;
    const bool reverse = peer.reverse && matches(*peer.peers, self_.labels);
    if (!forward && !reverse) return;
    for (const auto& [name, other] : world_.nodes) {
      if (name == self_.name) continue;
      if (forward && matches(*peer.peers, other.labels)) {
        to_node(other, kind_of(peer), &peer, false);
      } else if (reverse && has_peer(peer, other)) {
        to_node(other, kind_of(peer), &peer, true);
      }
    }
  }

  void plan_mesh() {
    const Settings settings(world_, self_.name);
    if (!settings.value(&BgpConfiguration::node_mesh).value_or(true)) return;
    if (self_.route_reflector_cluster) return;
    for (const auto& [name, other] : world_.nodes) {
      if (name == self_.name || other.route_reflector_cluster) continue;
      if (!other.v4.address && !other.v6.address) {
        problem(
            fmt::format("Node {}: has no address (annotation projectcalico.org/IPv4Address or "
                        "IPv6Address, or status.addresses): no BGP session with it",
                        name));
        continue;
      }
      to_node(other, SessionKind::kMesh, nullptr, false);
    }
  }

  SessionPlan finish() {
    std::sort(plan_.sessions.begin(), plan_.sessions.end(),
              [](const Session& a, const Session& b) { return a.name < b.name; });
    // Two interfaces of one name but for a sign that a protocol's name cannot have.
    std::map<std::string, int> uses;
    for (Session& session : plan_.sessions) {
      if (const int n = ++uses[session.name]; n > 1) session.name += fmt::format("_{}", n);
    }
    return std::move(plan_);
  }

 private:
  // `reverse`: the BGPPeer is the other node's, and this session its other end.
  void to_node(const NodeNetwork& other, SessionKind kind, const BgpPeer* peer, bool reverse) {
    for (const net::Family family : net::kFamilies) {
      const auto& address = other.of(family).address;
      if (!address || !self_.of(family).address) continue;
      Session session;
      session.kind = kind;
      session.address = address->address;
      session.port = Settings(world_, other.name).port();
      session.as_number = as_number_of(world_, other);
      session.local_as = own_as_;
      if (peer != nullptr) {
        if (reverse) {
          session.as_number = peer->local_as_number.value_or(session.as_number);
        } else {
          session.local_as = peer->local_as_number.value_or(own_as_);
        }
      }
      add(std::move(session), peer);
    }
  }

  void to_address(const BgpPeer& peer) {
    const net::IpAddr& address = *peer.peer_ip;
    const auto known = nodes_by_address_.find(address);
    const NodeNetwork* other = known == nodes_by_address_.end() ? nullptr : known->second;
    if (other == &self_) return;
    Session session;
    session.kind = kind_of(peer);
    session.address = address;
    session.interface = peer.peer_interface;
    session.port = peer.peer_port.value_or(other != nullptr ? Settings(world_, other->name).port()
                                                            : kDefaultPort);
    session.local_as = peer.local_as_number.value_or(own_as_);
    if (peer.as_number) {
      session.as_number = *peer.as_number;
    } else if (other != nullptr) {
      session.as_number = as_number_of(world_, *other);
    } else {
      return problem(
          fmt::format("BGPPeer {}: spec.asNumber: is needed for peerIP {}, which is no "
                      "node of this cluster; a number from 1 to 4294967295",
                      peer.name, address.to_string()));
    }
    if (is_link_local(address) != is_interface_name(session.interface)) {
      return problem(fmt::format(
          "BGPPeer {}: spec.peerIP: {}{}{}: a link-local address needs its "
          "interface, as in \"fe80::1%eth0\", and no other has one",
          peer.name, address.to_string(), session.interface.empty() ? "" : "%", session.interface));
    }
    if (peer.reachable_by) {
      if (peer.reachable_by->family() != address.family()) {
        problem(
            fmt::format("BGPPeer {}: spec.reachableBy: {} must be of the same family as peerIP {}",
                        peer.name, peer.reachable_by->to_string(), address.to_string()));
      } else if (is_link_local(*peer.reachable_by)) {
        problem(fmt::format("BGPPeer {}: spec.reachableBy: {} must not be a link-local address",
                            peer.name, peer.reachable_by->to_string()));
      } else {
        plan_.peer_routes.try_emplace(address, *peer.reachable_by);
      }
    }
    add(std::move(session), &peer);
  }

  void to_local_workloads(const BgpPeer& peer) {
    if (!peer.as_number) {
      return problem(
          fmt::format("BGPPeer {}: spec.asNumber: is needed with localWorkloadSelector; "
                      "a number from 1 to 4294967295",
                      peer.name));
    }
    for (const auto& [name, workload] : world_.local_workloads) {
      if (!matches(*peer.local_workloads, workload.labels)) continue;
      for (const net::IpAddr& address : workload.addresses) {
        Session session;
        session.kind = SessionKind::kLocalWorkload;
        session.peer = name.to_string();
        session.address = address;
        session.as_number = *peer.as_number;
        session.local_as = peer.local_as_number.value_or(own_as_);
        session.import_by_filter_only = true;
        add(std::move(session), &peer);
      }
    }
  }

  void add(Session session, const BgpPeer* peer) {
    const net::Family family = session.family();
    const auto& own = self_.of(family).address;
    const bool link_local = is_link_local(session.address);
    if (!own && !link_local && (peer == nullptr || peer->use_node_ip)) {
      return problem(fmt::format(
          "BGPPeer {}: this node has no {} address to speak with {} from (sourceAddress: None lets "
          "the kernel choose)",
          peer == nullptr ? "" : peer->name, to_string(family), session.address.to_string()));
    }
    session.local_port = port_;
    // An address of a wider scope cannot be the source towards a link-local one.
    if (own && !link_local && (peer == nullptr || peer->use_node_ip))
      session.local_address = own->address;
    if (session.kind == SessionKind::kLocalWorkload) {
      const Settings settings(world_, self_.name);
      const auto peering = settings.value(family == net::Family::kIPv4
                                              ? &BgpConfiguration::local_workload_peering_v4
                                              : &BgpConfiguration::local_workload_peering_v6);
      session.peering_address = peering.has_value() && (!own || *peering != own->address);
      if (peering) session.local_address = peering;
    }
    session.bind_local = bind_ && session.local_address.has_value();

    // Of two nodes the one with the greater address, as text, opens the connection: simultaneous
    // opening would end one of two sessions, and graceful restart with it.
    const auto known = nodes_by_address_.find(session.address);
    if (known != nodes_by_address_.end()) session.peer = known->second->name;
    const bool known_rule =
        known != nodes_by_address_.end() || session.kind == SessionKind::kLocalWorkload;
    if (known_rule && own) {
      session.passive =
          session.address.to_string() > session.local_address.value_or(own->address).to_string();
    }

    // RFC 4456. The cluster id is what keeps reflectors of one cluster from reflecting in circles.
    if (self_.route_reflector_cluster && session.internal()) {
      const bool same = known != nodes_by_address_.end() &&
                        known->second->route_reflector_cluster == self_.route_reflector_cluster;
      if (!same) session.cluster_id = self_.route_reflector_cluster;
    }

    if (peer == nullptr) {
      const Settings settings(world_, self_.name);
      session.restart_seconds = settings.value(&BgpConfiguration::mesh_max_restart_seconds)
                                    .value_or(kDefaultRestartSeconds);
      if (!set_password(session, settings.value(&BgpConfiguration::mesh_password),
                        "BGPConfiguration default: spec.nodeMeshPassword"))
        return;
    } else {
      session.source = peer->name;
      session.restart_seconds = peer->max_restart_seconds.value_or(kDefaultRestartSeconds);
      session.keepalive_seconds = peer->keepalive_seconds;
      session.allowed_local_as = peer->allowed_local_as;
      session.ttl_security = peer->ttl_security;
      session.next_hop = peer->keep_next_hop ? BgpPeer::NextHop::kKeep : peer->next_hop;
      session.bfd = peer->bfd;
      session.direct = session.bfd && session.ttl_security.value_or(1) == 1 &&
                       on_own_network(session.address,
                                      known == nodes_by_address_.end() ? nullptr : known->second);
      for (const std::string& filter : peer->filters) {
        if (world_.filters.contains(filter)) {
          session.filters.push_back(filter);
        } else {
          return problem(fmt::format(
              "BGPPeer {}: spec.filters: BGPFilter {} does not exist: no session with {}",
              peer->name, filter, session.address.to_string()));
        }
      }
      if (!set_password(session, peer->password,
                        fmt::format("BGPPeer {}: spec.password", peer->name)))
        return;
    }
    session.name = protocol_name(session);
    keep_one(std::move(session));
  }

  // Do this node and, where the peer is one, that node say that they share a network? Both ends
  // come to the same answer.
  bool on_own_network(const net::IpAddr& address, const NodeNetwork* other) const {
    const auto& own = self_.of(address.family()).address;
    if (!own || !own->subnet().contains(address)) return false;
    if (other == nullptr) return true;
    const auto& theirs = other->of(address.family()).address;
    return theirs && theirs->subnet().contains(own->address);
  }

  bool set_password(Session& session, const std::optional<model::SecretKey>& key,
                    const std::string& field) {
    if (!key) return true;
    plan_.secrets.insert(*key);
    const auto found = world_.passwords.find(*key);
    if (found == world_.passwords.end()) {
      problem(fmt::format("{}: Secret {} with key {} is not there: no session with {}", field,
                          key->name, key->key, session.address.to_string()));
      return false;
    }
    // What the daemon's language cannot quote. RFC 2385 as Linux has it ends at 80 bytes.
    const std::string& password = found->second;
    const bool printable = std::none_of(password.begin(), password.end(), [](char c) {
      return c == '"' || std::iscntrl(static_cast<unsigned char>(c)) != 0;
    });
    if (password.empty() || password.size() > 80 || !printable) {
      problem(
          fmt::format("{}: key {} of Secret {}: must be 1 to 80 characters, without control "
                      "characters (a newline at the end?) and without \": no session with {}",
                      field, key->key, key->name, session.address.to_string()));
      return false;
    }
    session.password = password;
    return true;
  }

  // BIRD finds the session of an incoming connection by its address.
  void keep_one(Session session) {
    auto [found, fresh] = by_end_.try_emplace(
        std::tuple(session.address, session.interface, session.port), plan_.sessions.size());
    if (fresh) {
      plan_.sessions.push_back(std::move(session));
      return;
    }
    const Session& kept = plan_.sessions[found->second];
    Session same = session;
    same.name = kept.name;
    same.source = kept.source;
    same.kind = kept.kind;
    if (same == kept || session.kind == SessionKind::kMesh) return;
    problem(fmt::format("BGPPeer {}: not used for {}, with which BGPPeer {} has a session already",
                        session.source, session.address.to_string(), kept.source));
  }

  static bool is_link_local(const net::IpAddr& address) {
    return address.is_v6() && address.data()[0] == 0xfe && (address.data()[1] & 0xc0) == 0x80;
  }

  // As the kernel has them (dev_valid_name), less what cannot be written in a configuration.
  static bool is_interface_name(std::string_view name) {
    return !name.empty() && name.size() <= 15 && std::none_of(name.begin(), name.end(), [](char c) {
      return c == '/' || c == '"' || std::isgraph(static_cast<unsigned char>(c)) == 0;
    });
  }

  void problem(std::string text) {
    if (std::find(plan_.problems.begin(), plan_.problems.end(), text) == plan_.problems.end())
      plan_.problems.push_back(std::move(text));
  }

  const World& world_;
  const NodeNetwork& self_;
  uint32_t own_as_;
  uint16_t port_ = kDefaultPort;
  bool bind_ = false;
  std::unordered_map<net::IpAddr, const NodeNetwork*> nodes_by_address_;
  std::map<std::tuple<net::IpAddr, std::string, uint16_t>, size_t> by_end_;
  SessionPlan plan_;
};

}  // namespace

std::string_view to_string(SessionKind kind) {
  switch (kind) {
    case SessionKind::kMesh:
      return "node-to-node mesh";
    case SessionKind::kNode:
      return "node specific";
    case SessionKind::kGlobal:
      return "global";
    case SessionKind::kLocalWorkload:
      return "local workload";
  }
  return "";
}

SessionPlan plan_sessions(const World& world) {
  const NodeNetwork* self = world.self();
  if (self == nullptr) {
    SessionPlan none;
    none.problems.push_back(fmt::format("Node {} is not known: no BGP sessions", world.node));
    return none;
  }
  if (!self->v4.address && !self->v6.address) {
    SessionPlan none;
    none.problems.push_back(
        fmt::format("Node {}: has no address (annotation projectcalico.org/IPv4Address or "
                    "IPv6Address, or status.addresses): no BGP sessions",
                    world.node));
    return none;
  }
  Planner planner(world, *self);
  for (const SessionKind kind : {SessionKind::kNode, SessionKind::kGlobal}) {
    for (const auto& [name, peer] : world.peers) {
      if (kind_of(peer) == kind) planner.plan_peer(peer);
    }
  }
  planner.plan_mesh();
  return planner.finish();
}

}  // namespace caracal::bgp
