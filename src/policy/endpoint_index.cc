#include "policy/endpoint_index.h"

#include <algorithm>
#include <cstring>

namespace caracal::policy {
namespace {

// The head of a holder's block; addresses and the name follow.
struct BlockHead {
  uint32_t kind : 8;
  uint32_t addresses : 24;  // an object of the API is far too small for more
  uint16_t extra;
  uint16_t name_length;
};
constexpr size_t kHead = sizeof(BlockHead);
static_assert(kHead == 8);  // one for each pod of the cluster
constexpr uint32_t kMaxExtra = 0xffff;
static_assert(std::is_trivially_copyable_v<net::IpAddr> && alignof(net::IpAddr) == 1);

BlockHead head_of(const char* block) {
  BlockHead head;
  std::memcpy(&head, block, kHead);
  return head;
}

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0xff51afd7ed558ccdull;
  return hash ^ hash >> 33;
}

}  // namespace

uint64_t EndpointIndex::hash_of(const net::IpAddr& address) {
  return std::hash<net::IpAddr>{}(address);
}
uint64_t EndpointIndex::hash_of(HolderKind kind, StringId ns, std::string_view name) {
  return mix(mix(std::hash<std::string_view>{}(name), ns), static_cast<uint64_t>(kind));
}
uint64_t EndpointIndex::hash_of(const EndpointClass& c) {
  uint64_t hash = mix(static_cast<uint64_t>(c.kind), c.ns);
  hash = mix(hash, c.account);
  return mix(hash, uint64_t{c.labels} << 32 | c.ports);
}

HolderKind EndpointIndex::kind_of(HolderIndex h) const {
  return static_cast<HolderKind>(head_of(holders_[h].block.get()).kind);
}
std::span<const net::IpAddr> EndpointIndex::addresses(HolderIndex h) const {
  const char* block = holders_[h].block.get();
  // The block was filled by copying IpAddrs there.
  return {reinterpret_cast<const net::IpAddr*>(block + kHead), head_of(block).addresses};
}
std::span<const net::IpAddr> EndpointIndex::extra(HolderIndex h) const {
  const auto own = addresses(h);
  return {own.data() + own.size(), head_of(holders_[h].block.get()).extra};
}
std::string_view EndpointIndex::name_of(HolderIndex h) const {
  const char* block = holders_[h].block.get();
  const BlockHead head = head_of(block);
  const size_t addresses = size_t{head.addresses} + head.extra;
  return {block + kHead + addresses * sizeof(net::IpAddr), head.name_length};
}

void EndpointIndex::set_block(HolderIndex h, HolderKind kind, std::string_view name,
                              std::span<const net::IpAddr> addresses,
                              std::span<const net::IpAddr> extra) {
  extra = extra.first(std::min<size_t>(extra.size(), kMaxExtra));
  const BlockHead head{.kind = static_cast<uint8_t>(kind),
                       .addresses = static_cast<uint32_t>(addresses.size()) & 0xffffff,
                       .extra = static_cast<uint16_t>(extra.size()),
                       .name_length = static_cast<uint16_t>(name.size())};
  auto block = std::make_unique_for_overwrite<char[]>(kHead + addresses.size_bytes() +
                                                      extra.size_bytes() + name.size());
  char* at = block.get();
  const auto put = [&at](const void* from, size_t size) {
    if (size > 0) std::memcpy(at, from, size);
    at += size;
  };
  put(&head, kHead);
  put(addresses.data(), addresses.size_bytes());
  put(extra.data(), extra.size_bytes());
  put(name.data(), name.size());
  holders_[h].block = std::move(block);
}

bool EndpointIndex::holds(HolderIndex h, const net::IpAddr& address) const {
  const auto own = addresses(h);
  const auto more = extra(h);
  return std::find(own.begin(), own.end(), address) != own.end() ||
         std::find(more.begin(), more.end(), address) != more.end();
}

HolderIndex EndpointIndex::find(HolderKind kind, const model::ObjectName& name) const {
  const StringId ns = name.ns.empty() ? 0 : strings_.find(name.ns);
  if (ns == 0 && !name.ns.empty()) return 0;
  return by_name_.find(hash_of(kind, ns, name.name), [&](HolderIndex h) {
    return holders_[h].ns == ns && kind_of(h) == kind && name_of(h) == name.name;
  });
}

ClassId EndpointIndex::class_of(const model::ObjectName& pod) const {
  return holders_[find(HolderKind::kPod, pod)].cls;
}
ClassId EndpointIndex::class_of_host(std::string_view name) const {
  return holders_[find(HolderKind::kHost, {"", std::string(name)})].cls;
}

std::vector<ClassPort> EndpointIndex::ports(const EndpointClass& c) const {
  const auto words = port_lists_.list(c.ports);
  std::vector<ClassPort> out;
  for (size_t i = 0; i < words.size(); i += 2) {
    out.push_back({words[i], static_cast<uint16_t>(words[i + 1]),
                   net::Protocol{static_cast<uint8_t>(words[i + 1] >> 16)}});
  }
  return out;
}

size_t EndpointIndex::count_with_label(const Label& label) const {
  size_t count = 0;
  for (const ListId list : label_postings_.items(label)) count += label_heads_[list].count;
  return count;
}
size_t EndpointIndex::count_with_port(net::Protocol protocol, StringId name) const {
  size_t count = 0;
  for (const ListId list : port_postings_.items(port_label(protocol, name))) {
    count += port_heads_[list].count;
  }
  return count;
}

void EndpointIndex::hold_all(HolderIndex h) {
  for_each_held(h, [&](const net::IpAddr& address) {
    by_address_.insert(hash_of(address), h);
    dirty_.push_back(address);
  });
}
void EndpointIndex::drop_all(HolderIndex h) {
  for_each_held(h, [&](const net::IpAddr& address) {
    by_address_.erase(hash_of(address), h);
    dirty_.push_back(address);
  });
}

EndpointIndex::Change EndpointIndex::remove(HolderKind kind, const model::ObjectName& name) {
  Change change;
  const HolderIndex h = find(kind, name);
  if (h == 0) return change;
  change.before = holders_[h].cls;
  change.addresses = true;
  drop_all(h);
  if (kind == HolderKind::kPod) {
    --pods_;
    if (const auto kept = extra(h); !kept.empty())
      waiting_.emplace(name, std::vector<net::IpAddr>(kept.begin(), kept.end()));
  }
  leave_class(h);
  by_name_.erase(hash_of(kind, holders_[h].ns, name.name), h);
  if (holders_[h].ns != 0) strings_.release(holders_[h].ns);
  holders_[h] = {};
  free_holders_.push_back(h);
  return change;
}

EndpointIndex::Change EndpointIndex::set(HolderKind kind, const model::ObjectName& name,
                                         Form* form) {
  Change change;
  HolderIndex h = find(kind, name);
  const bool added = h == 0;
  if (added) {
    if (free_holders_.empty()) {
      h = static_cast<HolderIndex>(holders_.size());
      holders_.emplace_back();
    } else {
      h = free_holders_.back();
      free_holders_.pop_back();
    }
    if (!name.ns.empty()) holders_[h].ns = strings_.acquire(name.ns);
    std::vector<net::IpAddr> extra;
    if (kind == HolderKind::kPod) {
      ++pods_;
      if (const auto it = waiting_.find(name); it != waiting_.end()) {
        extra = std::move(it->second);
        waiting_.erase(it);
      }
    }
    set_block(h, kind, name.name, form->addresses, extra);
    by_name_.insert(hash_of(kind, holders_[h].ns, name.name), h);
    hold_all(h);
    change.addresses = !form->addresses.empty();
  }
  change.holder = h;
  change.before = holders_[h].cls;
  change.after = enter_class(h, kind, *form);
  if (added) return change;
  if (change.before != change.after) {
    for_each_held(h, [&](const net::IpAddr& address) { dirty_.push_back(address); });
  }
  if (!std::ranges::equal(addresses(h), form->addresses)) {
    change.addresses = true;
    drop_all(h);
    set_block(h, kind, name.name, form->addresses, extra(h));
    hold_all(h);
  }
  return change;
}

EndpointIndex::Change EndpointIndex::set_pod(const model::ObjectName& name, const model::Pod* pod) {
  if (pod == nullptr || !pod->networked()) return remove(HolderKind::kPod, name);
  Form form{.labels = &pod->labels, .ports = {}, .account = 0, .addresses = pod->addresses};
  for (const model::NamedPort& port : pod->ports) {
    if (port.name.empty()) continue;
    form.ports.push_back({strings_.acquire(port.name), port.port, port.protocol});
  }
  if (!pod->service_account.empty()) form.account = strings_.acquire(pod->service_account);
  return set(HolderKind::kPod, name, &form);
}

EndpointIndex::Change EndpointIndex::set_host(const std::string& name,
                                              const model::HostEndpoint* host) {
  if (host == nullptr) return remove(HolderKind::kHost, {"", name});
  Form form{.labels = &host->labels, .ports = {}, .account = 0, .addresses = host->addresses};
  for (const model::NamedPort& port : host->ports) {
    if (port.name.empty()) continue;
    form.ports.push_back({strings_.acquire(port.name), port.port, port.protocol});
  }
  return set(HolderKind::kHost, {"", name}, &form);
}

EndpointIndex::Change EndpointIndex::set_network_set(const model::ObjectName& name,
                                                     const model::Labels* labels) {
  if (labels == nullptr) return remove(HolderKind::kSet, name);
  Form form{.labels = labels, .ports = {}, .account = 0, .addresses = {}};
  return set(HolderKind::kSet, name, &form);
}

EndpointIndex::Change EndpointIndex::set_slice(const model::ObjectName& name,
                                               const model::EndpointSlice* slice) {
  if (slice == nullptr) return remove(HolderKind::kService, name);
  const model::Labels labels = {{std::string(kServiceKey), slice->service}};
  Form form{.labels = &labels, .ports = {}, .account = 0, .addresses = slice->addresses};
  for (const model::ServicePort& port : slice->ports) {
    form.ports.push_back({strings_.acquire(port.name), port.port, port.protocol});
  }
  return set(HolderKind::kService, name, &form);
}

void EndpointIndex::set_extra_addresses(const model::ObjectName& pod,
                                        std::vector<net::IpAddr> addresses) {
  const HolderIndex h = find(HolderKind::kPod, pod);
  if (h == 0) {
    if (addresses.empty()) {
      waiting_.erase(pod);
    } else {
      waiting_.insert_or_assign(pod, std::move(addresses));
    }
    return;
  }
  if (std::ranges::equal(extra(h), addresses)) return;
  drop_all(h);
  set_block(h, HolderKind::kPod, name_of(h), this->addresses(h), addresses);
  hold_all(h);
}

ListId EndpointIndex::acquire_ports(std::vector<ClassPort>& ports) {
  std::sort(ports.begin(), ports.end());
  std::vector<uint32_t> words;
  std::vector<StringId> spare;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (i > 0 && ports[i] == ports[i - 1]) {
      spare.push_back(ports[i].name);
      continue;
    }
    words.push_back(ports[i].name);
    words.push_back(uint32_t{ports[i].protocol.number} << 16 | ports[i].port);
  }
  bool added = false;
  const ListId list = port_lists_.acquire(words, &added);
  for (const StringId name : spare) strings_.release(name);
  if (!added) {
    for (size_t i = 0; i < words.size(); i += 2) strings_.release(words[i]);
    return list;
  }
  std::vector<Label> posted;
  for (size_t i = 0; i < words.size(); i += 2) {
    const Label label =
        port_label(net::Protocol{static_cast<uint8_t>(words[i + 1] >> 16)}, words[i]);
    if (std::find(posted.begin(), posted.end(), label) == posted.end()) posted.push_back(label);
  }
  port_postings_.add(list, posted);
  return list;
}

void EndpointIndex::release_ports(ListId list) {
  const auto held = port_lists_.list(list);
  const std::vector<uint32_t> words(held.begin(), held.end());
  if (!port_lists_.release(list)) return;
  port_postings_.remove(list);
  for (size_t i = 0; i < words.size(); i += 2) strings_.release(words[i]);
}

void EndpointIndex::push(std::vector<Head>& heads, uint32_t number,
                         std::vector<EndpointClass>& classes, ClassId id,
                         EndpointClass::Link EndpointClass::*link) {
  if (heads.size() <= number) heads.resize(number + 1);
  Head& head = heads[number];
  classes[id].*link = {0, head.first};
  if (head.first != 0) (classes[head.first].*link).previous = id;
  head.first = id;
  ++head.count;
}
void EndpointIndex::pull(std::vector<Head>& heads, uint32_t number,
                         std::vector<EndpointClass>& classes, ClassId id,
                         EndpointClass::Link EndpointClass::*link) {
  const EndpointClass::Link at = classes[id].*link;
  if (at.next != 0) (classes[at.next].*link).previous = at.previous;
  if (at.previous != 0) {
    (classes[at.previous].*link).next = at.next;
  } else {
    heads[number].first = at.next;
  }
  --heads[number].count;
}

void EndpointIndex::link(ClassId id) {
  const EndpointClass& c = classes_[id];
  if (c.labels != 0) push(label_heads_, c.labels, classes_, id, &EndpointClass::by_labels);
  if (c.ports != 0) push(port_heads_, c.ports, classes_, id, &EndpointClass::by_ports);
  if (c.ns != 0) push(ns_heads_, c.ns, classes_, id, &EndpointClass::by_ns);
}
void EndpointIndex::unlink(ClassId id) {
  const EndpointClass& c = classes_[id];
  if (c.labels != 0) pull(label_heads_, c.labels, classes_, id, &EndpointClass::by_labels);
  if (c.ports != 0) pull(port_heads_, c.ports, classes_, id, &EndpointClass::by_ports);
  if (c.ns != 0) pull(ns_heads_, c.ns, classes_, id, &EndpointClass::by_ns);
}

ClassId EndpointIndex::enter_class(HolderIndex h, HolderKind kind, Form& form) {
  EndpointClass wanted;
  wanted.kind = kind;
  wanted.ns = holders_[h].ns;
  wanted.account = form.account;
  wanted.labels = labels_.acquire(*form.labels);
  wanted.ports = acquire_ports(form.ports);
  const auto forget_wanted = [&] {
    if (wanted.account != 0) strings_.release(wanted.account);
    labels_.release(wanted.labels);
    release_ports(wanted.ports);
  };

  const uint64_t hash = hash_of(wanted);
  ClassId id = class_index_.find(hash, [&](ClassId other) {
    const EndpointClass& c = classes_[other];
    return c.kind == wanted.kind && c.ns == wanted.ns && c.account == wanted.account &&
           c.labels == wanted.labels && c.ports == wanted.ports;
  });
  if (id != 0) {
    forget_wanted();  // the class holds them already
    if (holders_[h].cls == id) return id;
  } else {
    if (free_classes_.empty()) {
      id = static_cast<ClassId>(classes_.size());
      classes_.emplace_back();
    } else {
      id = free_classes_.back();
      free_classes_.pop_back();
    }
    if (wanted.ns != 0) strings_.retain(wanted.ns);
    const bool new_labels = wanted.labels != 0 && (wanted.labels >= label_heads_.size() ||
                                                   label_heads_[wanted.labels].count == 0);
    classes_[id] = wanted;
    class_index_.insert(hash, id);
    link(id);
    if (new_labels) {
      const LabelSpan own = labels_.at(wanted.labels);
      std::vector<Label> posted;
      for (size_t i = 0; i < own.size(); ++i) posted.push_back(own[i]);
      label_postings_.add(wanted.labels, posted);
    }
    new_classes_.push_back(id);
  }
  if (holders_[h].cls != 0) leave_class(h);
  EndpointClass& c = classes_[id];
  Holder& holder = holders_[h];
  holder.cls = id;
  holder.previous = 0;
  holder.next = c.first;
  if (c.first != 0) holders_[c.first].previous = h;
  c.first = h;
  ++c.size;
  return id;
}

void EndpointIndex::leave_class(HolderIndex h) {
  Holder& holder = holders_[h];
  const ClassId id = holder.cls;
  EndpointClass& c = classes_[id];
  if (holder.next != 0) holders_[holder.next].previous = holder.previous;
  if (holder.previous != 0) {
    holders_[holder.previous].next = holder.next;
  } else {
    c.first = holder.next;
  }
  holder.cls = holder.next = holder.previous = 0;
  if (--c.size > 0) return;
  class_index_.erase(hash_of(c), id);
  unlink(id);
  if (c.labels != 0 && label_heads_[c.labels].count == 0) label_postings_.remove(c.labels);
  labels_.release(c.labels);
  release_ports(c.ports);
  if (c.ns != 0) strings_.release(c.ns);
  if (c.account != 0) strings_.release(c.account);
  dropped_.push_back(c.predicates);
  c = {};
  free_classes_.push_back(id);
}

std::vector<ClassId> EndpointIndex::take_new_classes() {
  std::vector<ClassId> out = std::exchange(new_classes_, {});
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  std::erase_if(out, [&](ClassId id) { return !alive(id); });
  return out;
}

}  // namespace caracal::policy
