#include "analysis/peer_table.h"

#include "analysis/parallel.h"

namespace caracal::analysis {
namespace {

std::string key_of(const model::EndpointPeer& peer) {
  std::string key = peer.inherited ? "i" : "e";
  key += peer.pods.canonical();
  key += '\n';
  key += peer.namespaces.canonical();
  if (peer.in_namespace) {
    key += '\n';
    key += *peer.in_namespace;
  }
  return key;
}

std::string key_of(const model::CidrPeer& peer) {
  std::string key = "c" + peer.net.to_string();
  for (const net::Cidr& except : peer.except) key += "!" + except.to_string();
  return key;
}

// Do a peer's selectors hold something that has labels but is no pod? `ns` is empty for what has no
// namespace.
bool selects(const model::World& world, const model::EndpointPeer& peer,
             const model::Labels& labels, const std::string& ns) {
  if (peer.in_namespace && *peer.in_namespace != ns) return false;
  const auto object = world.namespaces.find(ns);
  const model::Namespace* known =
      ns.empty() || object == world.namespaces.end() ? nullptr : &object->second;
  if (!peer.namespaces.matches_everything()) {
    if (known == nullptr) return false;
    const bool match =
        peer.namespaces.matches([&](std::string_view key) -> std::optional<std::string_view> {
          const auto it = known->labels.find(key);
          if (it == known->labels.end()) return std::nullopt;
          return std::string_view(it->second);
        });
    if (!match) return false;
  }
  const LabelView view{&labels, ns, known, {}, nullptr, false};
  return peer.pods.matches([&](std::string_view key) { return view.inherited(key); });
}

}  // namespace

PeerId PeerTable::add(const model::Peer& peer) {
  if (const auto* endpoints = std::get_if<model::EndpointPeer>(&peer))
    return add(key_of(*endpoints), peer, false);
  if (const auto* cidr = std::get_if<model::CidrPeer>(&peer))
    return add(key_of(*cidr), peer, false);
  return add("s" + std::get<model::ServicePeer>(peer).service.to_string(), peer, false);
}

PeerId PeerTable::add_target(const model::EndpointPeer& peer) {
  return add("t" + key_of(peer), peer, true);
}

PeerId PeerTable::add(std::string key, const model::Peer& peer, bool target) {
  const auto [it, fresh] =
      by_key_.try_emplace(std::move(key), static_cast<PeerId>(entries_.size()));
  if (!fresh) return it->second;
  Entry& entry = entries_.emplace_back();
  entry.peer = peer;
  entry.target = target;
  if (const auto* endpoints = std::get_if<model::EndpointPeer>(&peer)) questions_.ask(*endpoints);
  if (target) return it->second;
  if (const auto* endpoints = std::get_if<model::EndpointPeer>(&peer)) {
    entry.selects_pods = true;
    if (endpoints->inherited) add_labelled_sets(entry, *endpoints);
  } else if (const auto* cidr = std::get_if<model::CidrPeer>(&peer)) {
    entry.address_sets.push_back(set_of(it->first, ranges_without(cidr->net, cidr->except)));
  } else {
    add_slices(entry, std::get<model::ServicePeer>(peer));
  }
  return it->second;
}

AddressSpace::SetId PeerTable::set_of(const std::string& key, std::vector<AddressRange> ranges) {
  const auto [it, fresh] = set_by_key_.try_emplace(key, 0);
  if (fresh) it->second = space_.add(std::move(ranges));
  return it->second;
}

void PeerTable::add_labelled_sets(Entry& entry, const model::EndpointPeer& peer) {
  for (const auto& [name, set] : world_.network_sets) {
    if (!selects(world_, peer, set.labels, name.ns)) continue;
    std::vector<AddressRange> ranges;
    ranges.reserve(set.nets.size());
    for (const net::Cidr& cidr : set.nets) ranges.push_back(range_of(cidr));
    entry.address_sets.push_back(set_of("n" + name.ns + "/" + name.name, std::move(ranges)));
  }
  for (const auto& [name, host] : world_.host_endpoints) {
    if (!selects(world_, peer, host.labels, "")) continue;
    std::vector<AddressRange> ranges;
    for (const net::IpAddr& address : host.addresses) ranges.push_back({address, address});
    entry.address_sets.push_back(set_of("h" + name, std::move(ranges)));
  }
}

void PeerTable::add_slices(Entry& entry, const model::ServicePeer& peer) {
  for (const auto& [name, slice] : world_.endpoint_slices) {
    if (name.ns != peer.service.ns || slice.service != peer.service.name) continue;
    std::vector<AddressRange> ranges;
    for (const net::IpAddr& address : slice.addresses) ranges.push_back({address, address});
    Slice& part = entry.slices.emplace_back();
    part.addresses = set_of("l" + name.to_string(), std::move(ranges));
    for (const model::ServicePort& port : slice.ports) {
      part.ports.add(port.protocol,
                     port.port == 0 ? net::PortRange{} : net::PortRange{port.port, port.port});
    }
  }
}

void PeerTable::match(PodClasses& classes, unsigned threads) {
  std::vector<RangeSet*> sets;
  for (Entry& entry : entries_) {
    if (std::holds_alternative<model::EndpointPeer>(entry.peer)) sets.push_back(&entry.classes);
  }
  run_parallel(threads, entries_.size(), [&](size_t i) {
    Entry& entry = entries_[i];
    if (const auto* endpoints = std::get_if<model::EndpointPeer>(&entry.peer))
      entry.classes = classes.match(*endpoints);
  });
  classes.merge(sets, threads);
}

void PeerTable::resolve(const PeerLine& line, unsigned threads) {
  run_parallel(threads, entries_.size(), [&](size_t i) {
    Entry& entry = entries_[i];
    if (entry.target) return;
    if (entry.selects_pods) {
      entry.pod_places = line.of_classes(entry.classes);
      entry.classes = {};
      entry.places = entry.pod_places;
    }
    for (const AddressSpace::SetId set : entry.address_sets)
      entry.places = unite(entry.places, line.of_address_classes(space_.classes(set)));
    for (Slice& slice : entry.slices) {
      slice.places = line.of_address_classes(space_.classes(slice.addresses));
      entry.places = unite(entry.places, slice.places);
    }
  });
}

std::vector<PeerPart> PeerTable::destination_parts(PeerId peer) const {
  const Entry& entry = entries_[peer];
  if (!std::holds_alternative<model::ServicePeer>(entry.peer)) return {{entry.places, true, {}}};
  std::vector<PeerPart> parts;
  for (const Slice& slice : entry.slices) parts.push_back({slice.places, false, slice.ports});
  return parts;
}

}  // namespace caracal::analysis
