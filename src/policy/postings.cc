#include "policy/postings.h"

namespace caracal::policy {

void Postings::add(uint32_t item, std::span<const Label> labels) {
  if (places_.size() <= item) places_.resize(item + 1);
  std::vector<Place>& places = places_[item];
  places.reserve(labels.size());
  for (const Label& label : labels) {
    std::vector<uint32_t>& list = lists_[key_of(label)];
    places.push_back({key_of(label), static_cast<uint32_t>(list.size())});
    list.push_back(item);
  }
}

void Postings::remove(uint32_t item) {
  for (const Place& place : places_[item]) {
    const auto it = lists_.find(place.label);
    std::vector<uint32_t>& list = it->second;
    // The last item takes the place of the removed one.
    const uint32_t moved = list.back();
    list[place.position] = moved;
    list.pop_back();
    if (moved != item) {
      for (Place& other : places_[moved]) {
        if (other.label == place.label) other.position = place.position;
      }
    }
    if (list.empty()) lists_.erase(it);
  }
  places_[item] = {};
}

std::span<const uint32_t> Postings::items(const Label& label) const {
  const auto it = lists_.find(key_of(label));
  if (it == lists_.end()) return {};
  return it->second;
}

}  // namespace caracal::policy
