// PeerTable: the distinct peers that policies name, and where on the line each of them is.
//
// Fed by Reachability (and lint) in three steps: add() every peer, which gives the address sets to
// the AddressSpace; match() the classes of pods, which merges those that no peer tells apart;
// resolve() once the line is built. Read-only afterwards (from any thread).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "analysis/address_space.h"
#include "analysis/peer_line.h"
#include "analysis/pod_classes.h"
#include "model/world.h"
#include "policy/port_set.h"

namespace caracal::analysis {

using PeerId = uint32_t;

// Some places, and what of their ports the peer means: all of them but for services.
struct PeerPart {
  RangeSet where;
  bool every_port = true;
  policy::PortSet ports;  // unless every_port
};

class PeerTable {
 public:
  PeerTable(const model::World& world, AddressSpace& space) : world_(world), space_(space) {}

  PeerId add(const model::Peer& peer);
  // The same for a policy's target; it holds pods only.
  PeerId add_target(const model::EndpointPeer& peer);
  // What all peers, and the names of ports noted here, ask of pods.
  PodQuestions& questions() { return questions_; }
  const PodQuestions& questions() const { return questions_; }
  // REQUIRES: the classes are made with questions().
  void match(PodClasses& classes, unsigned threads = 1);
  void resolve(const PeerLine& line, unsigned threads = 1);

  // Whose address is meant.
  const RangeSet& places(PeerId peer) const { return entries_[peer].places; }
  // Those of them that are meant for what their pod is, not for another holder of the address.
  const RangeSet& pod_places(PeerId peer) const {
    const Entry& entry = entries_[peer];
    return entry.selects_pods ? entry.pod_places : entry.places;
  }
  bool selects_pods(PeerId peer) const { return entries_[peer].selects_pods; }
  // As the destination of an egress rule: one part for most peers, one for each slice of a service.
  std::vector<PeerPart> destination_parts(PeerId peer) const;
  // Classes that a target holds.
  const RangeSet& classes(PeerId target) const { return entries_[target].classes; }
  size_t size() const { return entries_.size(); }

 private:
  struct Slice {
    AddressSpace::SetId addresses = 0;
    policy::PortSet ports;
    RangeSet places;
  };
  struct Entry {
    model::Peer peer;
    bool target = false;
    bool selects_pods = false;
    std::vector<AddressSpace::SetId> address_sets;
    std::vector<Slice> slices;
    RangeSet classes;
    RangeSet places;
    RangeSet pod_places;  // of selects_pods
  };

  PeerId add(std::string key, const model::Peer& peer, bool target);
  void add_labelled_sets(Entry& entry, const model::EndpointPeer& peer);
  void add_slices(Entry& entry, const model::ServicePeer& peer);
  AddressSpace::SetId set_of(const std::string& key, std::vector<AddressRange> ranges);

  const model::World& world_;
  AddressSpace& space_;
  PodQuestions questions_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, PeerId> by_key_;
  std::unordered_map<std::string, AddressSpace::SetId> set_by_key_;
};

}  // namespace caracal::analysis
