// PeerLine: everything that can be at the other end of a connection, numbered on one line.
//
// A place is (class of pod, class of address): first those of pods, in the order of their classes,
// then one for each class of address that stands for "this address, no pod there", then those of
// addresses that several pods of different places hold. Built once, then read-only (from any
// thread).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "analysis/address_space.h"
#include "analysis/pod_classes.h"
#include "analysis/range_set.h"

namespace caracal::analysis {

using Place = uint32_t;

class PeerLine {
 public:
  PeerLine(const model::World& world, const PodClasses& classes, const AddressSpace& space);

  Place size() const { return static_cast<Place>(places_.size()); }
  // Places below are those of pods.
  Place pod_places() const { return pod_places_; }
  RangeSet every_place() const { return RangeSet::of(0, size()); }
  // kNoPod where no pod is.
  PodClass pod_class(Place place) const { return places_[place].pod_class; }
  AddressClass address_class(Place place) const { return places_[place].address_class; }
  net::Family family(Place place) const;

  // Where a pod is (its number in the order of world.pods) for one family: as an endpoint with
  // policies of its own, and as the peer of others. nullopt: it has no address of that family. A
  // pod with no address at all counts as one with an IPv4 address that no set holds.
  struct PodPlace {
    Place self = 0;
    Place peer = 0;
  };
  std::optional<PodPlace> of_pod(size_t pod, net::Family family) const;
  // The place of an address as a peer.
  Place of_address(const net::IpAddr& address) const;
  Place external(AddressClass address_class) const { return external_begin_ + address_class; }

  // Shared places are in what one of their pods is in.
  RangeSet of_classes(const RangeSet& classes) const;
  // All places whose addresses are of these classes, pods' among them.
  RangeSet of_address_classes(std::span<const AddressClass> classes) const;
  RangeSet of_family(net::Family family) const;
  // Places of pods that share an address, with whose places they are.
  struct Shared {
    Place place = 0;
    std::vector<Place> members;
  };
  std::vector<Shared> shared() const;

 private:
  struct Entry {
    PodClass pod_class = kNoPod;
    AddressClass address_class = 0;
    auto operator<=>(const Entry&) const = default;
  };
  struct PodEntry {
    std::optional<PodPlace> v4;
    std::optional<PodPlace> v6;
  };

  // `set` and every shared place of which a member is in it.
  RangeSet with_shared(RangeSet set) const;

  const AddressSpace& space_;
  std::vector<Entry> places_;
  Place pod_places_ = 0;
  Place external_begin_ = 0;
  Place shared_begin_ = 0;
  std::vector<std::vector<Place>> shared_;  // members, by place - shared_begin_
  std::vector<Place> first_of_class_;       // and one past the last class
  std::vector<std::vector<Place>> of_address_class_;
  std::vector<PodEntry> pods_;
  std::unordered_map<net::IpAddr, Place> by_address_;
};

}  // namespace caracal::analysis
