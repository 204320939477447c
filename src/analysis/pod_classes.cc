#include "analysis/pod_classes.h"

#include <algorithm>

namespace caracal::analysis {
namespace {

constexpr std::string_view kNamespaceName = "projectcalico.org/namespace";
constexpr std::string_view kOrchestrator = "projectcalico.org/orchestrator";
constexpr std::string_view kServiceAccount = "projectcalico.org/serviceaccount";
constexpr std::string_view kName = "projectcalico.org/name";
constexpr std::string_view kNamespacePrefix = "pcns.";
constexpr std::string_view kAccountPrefix = "pcsa.";
constexpr size_t kLongestLabelValue = 63;  // a longer account name is no label (model/policy.h)

std::optional<std::string_view> find_label(const model::Labels& labels, std::string_view key) {
  const auto it = labels.find(key);
  if (it == labels.end()) return std::nullopt;
  return std::string_view(it->second);
}

size_t hash_pod(const model::Pod& pod, bool accounts) {
  const std::hash<std::string_view> hash;
  size_t sum = 0;
  const auto add = [&](size_t value) { sum = (sum ^ value) * 0x9e3779b97f4a7c15ULL; };
  for (const auto& [key, value] : pod.labels) {
    add(hash(key));
    add(hash(value));
  }
  for (const model::NamedPort& port : pod.ports) add(hash(port.name) + port.port);
  if (accounts) add(hash(pod.service_account));
  return sum;
}

bool alike(const model::Pod& a, const model::Pod& b, bool accounts) {
  return a.labels == b.labels && a.ports == b.ports &&
         (!accounts || a.service_account == b.service_account);
}

// A requirement "key in values" that everything the selector matches satisfies, or nullptr.
const selector::Node* necessary_values(const selector::Node& node) {
  if (node.op == selector::Op::kIn) return &node;
  if (node.op != selector::Op::kAnd) return nullptr;
  for (const auto& child : node.children) {
    if (child->op == selector::Op::kIn) return child.get();
  }
  return nullptr;
}

bool is_own_label(std::string_view key) {
  return !key.starts_with(kNamespacePrefix) && !key.starts_with(kAccountPrefix) &&
         !key.starts_with("projectcalico.org/");
}

}  // namespace

std::optional<std::string_view> LabelView::inherited(std::string_view key) const {
  // What these say cannot be relabelled.
  if (key == kNamespaceName && !ns.empty()) return ns;
  if (pod && key == kOrchestrator) return "k8s";
  if (pod && key == kServiceAccount && !account.empty() && account.size() < kLongestLabelValue)
    return account;
  if (auto value = find_label(*own, key)) return value;
  if (ns_object != nullptr && key.starts_with(kNamespacePrefix)) {
    key.remove_prefix(kNamespacePrefix.size());
    if (key == kName) return ns;
    return find_label(ns_object->labels, key);
  }
  if (account_object != nullptr && key.starts_with(kAccountPrefix)) {
    key.remove_prefix(kAccountPrefix.size());
    if (key == kName) return account;
    return find_label(account_object->labels, key);
  }
  return std::nullopt;
}

PodClasses::PodClasses(const model::World& world, bool accounts) : world_(world) {
  of_pods_.reserve(world.pods.size());
  std::unordered_multimap<size_t, PodClass> known;  // of the present namespace
  for (const auto& [name, pod] : world.pods) {
    if (!pod.networked()) {
      of_pods_.push_back(kNoPod);
      continue;
    }
    if (namespaces_.empty() || namespaces_.back().name != name.ns) {
      const auto object = world.namespaces.find(name.ns);
      const auto begin = static_cast<PodClass>(samples_.size());
      namespaces_.push_back(
          {name.ns, object == world.namespaces.end() ? nullptr : &object->second, begin, begin});
      known.clear();
    }
    const size_t hash = hash_pod(pod, accounts);
    PodClass found = kNoPod;
    const auto [first, last] = known.equal_range(hash);
    for (auto it = first; it != last; ++it) {
      if (alike(*samples_[it->second], pod, accounts)) found = it->second;
    }
    if (found == kNoPod) {
      found = static_cast<PodClass>(samples_.size());
      samples_.push_back(&pod);
      range_of_class_.push_back(static_cast<uint32_t>(namespaces_.size() - 1));
      namespaces_.back().end = found + 1;
      known.emplace(hash, found);
    }
    of_pods_.push_back(found);
  }
}

bool PodClasses::namespace_known(PodClass pod_class) const {
  return namespaces_[range_of_class_[pod_class]].object != nullptr;
}

const PodClasses::NamespaceRange* PodClasses::find_namespace(std::string_view name) const {
  const auto it = std::lower_bound(
      namespaces_.begin(), namespaces_.end(), name,
      [](const NamespaceRange& range, std::string_view wanted) { return range.name < wanted; });
  return it != namespaces_.end() && it->name == name ? &*it : nullptr;
}

LabelView PodClasses::view(PodClass pod_class, const model::Namespace* ns) const {
  const model::Pod& pod = *samples_[pod_class];
  LabelView out{&pod.labels, pod.name.ns, ns, pod.service_account, nullptr, true};
  const auto account = world_.service_accounts.find({pod.name.ns, pod.service_account});
  if (account != world_.service_accounts.end()) out.account_object = &account->second;
  return out;
}

bool PodClasses::matches(const model::EndpointPeer& peer, PodClass pod_class,
                         const NamespaceRange& range) const {
  if (peer.pods.matches_everything()) return true;
  if (peer.inherited) {
    const LabelView labels = view(pod_class, range.object);
    return peer.pods.matches([&](std::string_view key) { return labels.inherited(key); });
  }
  const model::Labels& labels = samples_[pod_class]->labels;
  return peer.pods.matches([&](std::string_view key) { return find_label(labels, key); });
}

void PodClasses::index_labels() {
  if (indexed_) return;
  indexed_ = true;
  for (PodClass c = 0; c < samples_.size(); ++c) {
    for (const auto& [key, value] : samples_[c]->labels) by_label_[key][value].push_back(c);
  }
  for (uint32_t n = 0; n < namespaces_.size(); ++n) {
    if (namespaces_[n].object == nullptr) continue;
    for (const auto& [key, value] : namespaces_[n].object->labels)
      namespaces_by_label_[key][value].push_back(n);
  }
}

std::optional<std::vector<uint32_t>> PodClasses::namespaces_of(const model::EndpointPeer& peer) {
  std::vector<uint32_t> out;
  const auto matches = [&](const NamespaceRange& range) {
    if (peer.namespaces.matches_everything()) return true;
    if (range.object == nullptr) return false;
    const model::Labels& labels = range.object->labels;
    return peer.namespaces.matches([&](std::string_view key) { return find_label(labels, key); });
  };
  if (peer.in_namespace) {
    const NamespaceRange* range = find_namespace(*peer.in_namespace);
    if (range != nullptr && matches(*range))
      out.push_back(static_cast<uint32_t>(range - namespaces_.data()));
    return out;
  }
  if (peer.namespaces.matches_everything()) return std::nullopt;
  if (const selector::Node* node = necessary_values(peer.namespaces.root())) {
    index_labels();
    const auto values = namespaces_by_label_.find(node->key);
    if (values == namespaces_by_label_.end()) return out;
    for (const std::string& value : node->values) {
      const auto posting = values->second.find(value);
      if (posting == values->second.end()) continue;
      for (const uint32_t n : posting->second) {
        if (matches(namespaces_[n])) out.push_back(n);
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  for (uint32_t n = 0; n < namespaces_.size(); ++n) {
    if (matches(namespaces_[n])) out.push_back(n);
  }
  return out;
}

RangeSet PodClasses::match(const model::EndpointPeer& peer) {
  const auto namespaces = namespaces_of(peer);
  const bool everything = peer.pods.matches_everything();
  if (!namespaces) {
    if (everything) return RangeSet::of(0, static_cast<uint32_t>(samples_.size()));
    const selector::Node* node = necessary_values(peer.pods.root());
    if (node != nullptr && (!peer.inherited || is_own_label(node->key))) {
      index_labels();
      std::vector<uint32_t> points;
      const auto values = by_label_.find(node->key);
      if (values == by_label_.end()) return {};
      for (const std::string& value : node->values) {
        const auto posting = values->second.find(value);
        if (posting == values->second.end()) continue;
        for (const uint32_t c : posting->second) {
          if (matches(peer, c, namespaces_[range_of_class_[c]])) points.push_back(c);
        }
      }
      return RangeSet::from_points(std::move(points));
    }
  }
  RangeSet out;
  const auto add = [&](const NamespaceRange& range) {
    if (everything) {
      out.append(range.begin, range.end);
      return;
    }
    for (PodClass c = range.begin; c < range.end; ++c) {
      if (matches(peer, c, range)) out.append(c, c + 1);
    }
  };
  if (namespaces) {
    for (const uint32_t n : *namespaces) add(namespaces_[n]);
  } else {
    for (const NamespaceRange& range : namespaces_) add(range);
  }
  return out;
}

std::vector<PodClasses::NamedPortClass> PodClasses::with_port(const std::string& name,
                                                              net::Protocol protocol) const {
  std::vector<NamedPortClass> out;
  for (PodClass c = 0; c < samples_.size(); ++c) {
    std::vector<uint16_t> ports;
    for (const model::NamedPort& port : samples_[c]->ports) {
      if (port.name == name && port.protocol == protocol) ports.push_back(port.port);
    }
    if (ports.empty()) continue;
    std::sort(ports.begin(), ports.end());
    out.push_back({c, std::move(ports)});
  }
  return out;
}

}  // namespace caracal::analysis
