#include "analysis/peer_line.h"

#include <algorithm>
#include <map>
#include <set>

namespace caracal::analysis {
namespace {

// The first address a pod has of a family.
const net::IpAddr* address_of(const model::Pod& pod, net::Family family) {
  for (const net::IpAddr& address : pod.addresses) {
    if (address.family() == family) return &address;
  }
  return nullptr;
}

}  // namespace

PeerLine::PeerLine(const model::World& world, const PodClasses& classes, const AddressSpace& space)
    : space_(space) {
  // The class after the last: an address that nothing is known of.
  const auto unknown = static_cast<AddressClass>(space.class_count());
  const auto class_of = [&](const net::IpAddr& address) { return space.find(address); };

  size_t index = 0;
  for (const auto& [name, pod] : world.pods) {
    const PodClass pod_class = classes.of_pods()[index++];
    if (pod_class == kNoPod) continue;
    if (pod.addresses.empty()) places_.push_back({pod_class, unknown});
    for (const net::IpAddr& address : pod.addresses)
      places_.push_back({pod_class, class_of(address)});
  }
  std::sort(places_.begin(), places_.end());
  places_.erase(std::unique(places_.begin(), places_.end()), places_.end());
  pod_places_ = static_cast<Place>(places_.size());
  first_of_class_.assign(classes.size() + 1, pod_places_);
  for (Place place = pod_places_; place-- > 0;) first_of_class_[places_[place].pod_class] = place;

  external_begin_ = pod_places_;
  for (AddressClass c = 0; c < unknown; ++c) places_.push_back({kNoPod, c});
  shared_begin_ = static_cast<Place>(places_.size());

  const auto place_of = [&](PodClass pod_class, AddressClass address_class) {
    const auto begin = places_.begin() + first_of_class_[pod_class];
    const auto end = places_.begin() + first_of_class_[pod_class + 1];
    return static_cast<Place>(std::lower_bound(begin, end, Entry{pod_class, address_class}) -
                              places_.begin());
  };
  std::map<net::IpAddr, std::set<Place>> several;
  by_address_.reserve(world.pods.size());
  index = 0;
  for (const auto& [name, pod] : world.pods) {
    const PodClass pod_class = classes.of_pods()[index++];
    if (pod_class == kNoPod) continue;
    for (const net::IpAddr& address : pod.addresses) {
      const Place place = place_of(pod_class, class_of(address));
      const auto [it, fresh] = by_address_.try_emplace(address, place);
      if (!fresh && it->second != place) several[address].insert({it->second, place});
    }
  }
  for (const auto& [address, members] : several) {
    by_address_[address] = static_cast<Place>(places_.size());
    places_.push_back({kNoPod, class_of(address)});
    shared_.emplace_back(members.begin(), members.end());
  }

  pods_.reserve(world.pods.size());
  index = 0;
  for (const auto& [name, pod] : world.pods) {
    const PodClass pod_class = classes.of_pods()[index++];
    PodEntry& entry = pods_.emplace_back();
    if (pod_class == kNoPod) continue;
    if (pod.addresses.empty()) {
      const Place place = place_of(pod_class, unknown);
      entry.v4 = PodPlace{place, place};
      continue;
    }
    for (const net::Family family : net::kFamilies) {
      const net::IpAddr* address = address_of(pod, family);
      if (address == nullptr) continue;
      const PodPlace place{place_of(pod_class, class_of(*address)), by_address_.at(*address)};
      (family == net::Family::kIPv4 ? entry.v4 : entry.v6) = place;
    }
  }

  of_address_class_.resize(unknown + 1);
  for (Place place = 0; place < places_.size(); ++place)
    of_address_class_[places_[place].address_class].push_back(place);
}

net::Family PeerLine::family(Place place) const {
  const AddressClass address_class = places_[place].address_class;
  return address_class < space_.class_count() ? space_.family(address_class) : net::Family::kIPv4;
}

std::optional<PeerLine::PodPlace> PeerLine::of_pod(size_t pod, net::Family family) const {
  return family == net::Family::kIPv4 ? pods_[pod].v4 : pods_[pod].v6;
}

Place PeerLine::of_address(const net::IpAddr& address) const {
  const auto it = by_address_.find(address);
  return it != by_address_.end() ? it->second : external(space_.find(address));
}

RangeSet PeerLine::of_classes(const RangeSet& classes) const {
  RangeSet out;
  for (const RangeSet::Range& range : classes.ranges())
    out.append(first_of_class_[range.begin], first_of_class_[range.end]);
  return with_shared(std::move(out));
}

RangeSet PeerLine::of_address_classes(std::span<const AddressClass> classes) const {
  std::vector<Place> places;
  for (const AddressClass c : classes)
    places.insert(places.end(), of_address_class_[c].begin(), of_address_class_[c].end());
  return RangeSet::from_points(std::move(places));
}

RangeSet PeerLine::of_family(net::Family wanted) const {
  RangeSet out;
  for (Place place = 0; place < places_.size(); ++place) {
    if (family(place) == wanted) out.append(place, place + 1);
  }
  return out;
}

std::vector<PeerLine::Shared> PeerLine::shared() const {
  std::vector<Shared> out;
  for (size_t i = 0; i < shared_.size(); ++i)
    out.push_back({shared_begin_ + static_cast<Place>(i), shared_[i]});
  return out;
}

RangeSet PeerLine::with_shared(RangeSet set) const {
  if (shared_.empty()) return set;
  std::vector<Place> more;
  for (size_t i = 0; i < shared_.size(); ++i) {
    for (const Place member : shared_[i]) {
      if (!set.contains(member)) continue;
      more.push_back(shared_begin_ + static_cast<Place>(i));
      break;
    }
  }
  return more.empty() ? set : unite(set, RangeSet::from_points(std::move(more)));
}

}  // namespace caracal::analysis
