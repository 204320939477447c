#include "policy/endpoint_index.h"

#include <algorithm>

namespace caracal::policy {

Label EndpointIndex::port_label(net::Protocol protocol, StringId name) {
  StringId& key = port_keys_[protocol.number];
  if (key == 0) key = strings_.acquire("\x01port/" + protocol.to_string());
  return {key, name};
}

size_t EndpointIndex::ClassHash::operator()(const EndpointClass& c) const {
  uint64_t hash = c.ns;
  const auto mix = [&](uint64_t value) {
    hash = (hash ^ value) * 0xff51afd7ed558ccdull;
    hash ^= hash >> 33;
  };
  for (const Label& label : c.labels) mix(uint64_t{label.key} << 32 | label.value);
  for (const ClassPort& port : c.ports) {
    mix(uint64_t{port.name} << 32 | uint64_t{port.protocol.number} << 16 | port.port);
  }
  return static_cast<size_t>(hash);
}

bool EndpointIndex::ClassEqual::operator()(const EndpointClass& c, ClassId id) const {
  const EndpointClass& other = (*classes)[id];
  return c.ns == other.ns && c.labels == other.labels && c.ports == other.ports;
}

model::ObjectName EndpointIndex::pod_name(PodIndex pod) const {
  return {strings_.text(pods_[pod].ns), pods_[pod].name};
}

PodIndex EndpointIndex::find_pod(const model::ObjectName& name) const {
  const StringId ns = strings_.find(name.ns);
  if (ns == 0) return kNone;
  const auto it = names_.find(NameView{ns, name.name});
  return it == names_.end() ? kNone : *it;
}

ClassId EndpointIndex::class_of(const model::ObjectName& pod) const {
  const PodIndex index = find_pod(pod);
  return index == kNone ? 0 : pods_[index].cls;
}

void EndpointIndex::hold(PodIndex pod, const net::IpAddr& address) {
  holders_.emplace(address, pod);
  dirty_.push_back(address);
}

void EndpointIndex::drop(PodIndex pod, const net::IpAddr& address) {
  const auto [first, last] = holders_.equal_range(address);
  for (auto it = first; it != last; ++it) {
    if (it->second != pod) continue;
    holders_.erase(it);
    break;
  }
  dirty_.push_back(address);
}

void EndpointIndex::mark_all_dirty(PodIndex pod) {
  for (const net::IpAddr& address : pods_[pod].addresses) dirty_.push_back(address);
  if (extra_.empty()) return;
  if (const auto it = extra_.find(pod_name(pod)); it != extra_.end()) {
    for (const net::IpAddr& address : it->second) dirty_.push_back(address);
  }
}

EndpointIndex::Change EndpointIndex::set_pod(const model::ObjectName& name, const model::Pod* pod) {
  if (pod != nullptr && !pod->networked()) pod = nullptr;
  Change change;
  PodIndex index = find_pod(name);
  if (pod == nullptr) {
    if (index == kNone) return change;
    change.before = pods_[index].cls;
    change.addresses = true;
    for (const net::IpAddr& address : pods_[index].addresses) drop(index, address);
    if (const auto it = extra_.find(name); it != extra_.end()) {
      for (const net::IpAddr& address : it->second) drop(index, address);
    }
    leave_class(index);
    names_.erase(index);
    strings_.release(pods_[index].ns);
    pods_[index] = {};
    free_pods_.push_back(index);
    return change;
  }

  if (index == kNone) {
    if (free_pods_.empty()) {
      index = static_cast<PodIndex>(pods_.size());
      pods_.emplace_back();
    } else {
      index = free_pods_.back();
      free_pods_.pop_back();
    }
    pods_[index].name = name.name;
    pods_[index].ns = strings_.acquire(name.ns);
    names_.insert(index);
    if (const auto it = extra_.find(name); it != extra_.end()) {
      for (const net::IpAddr& address : it->second) hold(index, address);
    }
  }
  change.before = pods_[index].cls;
  change.after = enter_class(index, *pod);
  if (change.before != change.after && change.before != 0) mark_all_dirty(index);
  if (pods_[index].addresses != pod->addresses) {
    change.addresses = true;
    for (const net::IpAddr& address : pods_[index].addresses) drop(index, address);
    pods_[index].addresses = pod->addresses;
    for (const net::IpAddr& address : pods_[index].addresses) hold(index, address);
  }
  return change;
}

void EndpointIndex::set_extra_addresses(const model::ObjectName& pod,
                                        std::vector<net::IpAddr> addresses) {
  const PodIndex index = find_pod(pod);
  if (const auto it = extra_.find(pod); it != extra_.end()) {
    if (index != kNone) {
      for (const net::IpAddr& address : it->second) drop(index, address);
    }
    extra_.erase(it);
  }
  if (addresses.empty()) return;
  if (index != kNone) {
    for (const net::IpAddr& address : addresses) hold(index, address);
  }
  extra_.emplace(pod, std::move(addresses));
}

void EndpointIndex::release_texts(const EndpointClass& c) {
  strings_.release(c.ns);
  for (const Label& label : c.labels) {
    strings_.release(label.key);
    strings_.release(label.value);
  }
  for (const ClassPort& port : c.ports) strings_.release(port.name);
}

ClassId EndpointIndex::enter_class(PodIndex pod, const model::Pod& value) {
  EndpointClass wanted;
  wanted.ns = strings_.acquire(value.name.ns);
  wanted.labels.reserve(value.labels.size());
  for (const auto& [key, text] : value.labels) {
    wanted.labels.push_back({strings_.acquire(key), strings_.acquire(text)});
  }
  std::sort(wanted.labels.begin(), wanted.labels.end());
  for (const model::NamedPort& port : value.ports) {
    if (port.name.empty()) continue;
    wanted.ports.push_back({strings_.acquire(port.name), port.port, port.protocol});
  }
  std::sort(wanted.ports.begin(), wanted.ports.end());
  for (size_t i = 1; i < wanted.ports.size();) {
    if (wanted.ports[i] == wanted.ports[i - 1]) {
      strings_.release(wanted.ports[i].name);
      wanted.ports.erase(wanted.ports.begin() + static_cast<ptrdiff_t>(i));
    } else {
      ++i;
    }
  }

  ClassId id = 0;
  if (const auto it = class_index_.find(wanted); it != class_index_.end()) {
    id = *it;
    release_texts(wanted);  // the class holds them already
    if (pods_[pod].cls == id) return id;
  } else {
    if (free_classes_.empty()) {
      id = static_cast<ClassId>(classes_.size());
      classes_.emplace_back();
    } else {
      id = free_classes_.back();
      free_classes_.pop_back();
    }
    std::vector<Label> posted = wanted.labels;
    posted.push_back(ns_label(wanted.ns));
    for (const ClassPort& port : wanted.ports) {
      const Label label = port_label(port.protocol, port.name);
      if (std::find(posted.begin(), posted.end(), label) == posted.end()) posted.push_back(label);
    }
    classes_[id] = std::move(wanted);
    class_index_.insert(id);
    postings_.add(id, posted);
    new_classes_.push_back(id);
  }
  if (pods_[pod].cls != 0) leave_class(pod);
  pods_[pod].cls = id;
  pods_[pod].position = static_cast<uint32_t>(classes_[id].pods.size());
  classes_[id].pods.push_back(pod);
  return id;
}

void EndpointIndex::leave_class(PodIndex pod) {
  const ClassId id = pods_[pod].cls;
  EndpointClass& c = classes_[id];
  const PodIndex moved = c.pods.back();
  c.pods[pods_[pod].position] = moved;
  pods_[moved].position = pods_[pod].position;
  c.pods.pop_back();
  pods_[pod].cls = 0;
  if (!c.pods.empty()) return;
  postings_.remove(id);
  class_index_.erase(id);
  release_texts(c);
  dropped_.push_back(c.predicates);
  c = {};
  free_classes_.push_back(id);
}

std::vector<ClassId> EndpointIndex::take_new_classes() {
  std::vector<ClassId> out = std::exchange(new_classes_, {});
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  std::erase_if(out, [&](ClassId id) { return classes_[id].pods.empty(); });
  return out;
}

}  // namespace caracal::policy
