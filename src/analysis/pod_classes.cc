#include "analysis/pod_classes.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "analysis/parallel.h"
#include "analysis/signature.h"

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

// What a pod answers to the questions.
struct Answers {
  std::vector<std::pair<std::string_view, std::string_view>> labels;
  std::vector<const model::NamedPort*> ports;
  std::string_view account;

  void read(const model::Pod& pod, const PodQuestions& questions) {
    labels.clear();
    ports.clear();
    for (const auto& [key, value] : pod.labels) {
      if (const auto answer = questions.answer(key, value)) labels.emplace_back(key, *answer);
    }
    for (const model::NamedPort& port : pod.ports) {
      if (questions.names_port(port.name, port.protocol)) ports.push_back(&port);
    }
    if (questions.accounts()) account = pod.service_account;
  }
  size_t hash() const {
    const std::hash<std::string_view> of;
    size_t sum = 0;
    const auto add = [&](size_t value) { sum = (sum ^ value) * 0x9e3779b97f4a7c15ULL; };
    for (const auto& [key, value] : labels) {
      add(of(key));
      add(of(value));
    }
    for (const model::NamedPort* port : ports) add(of(port->name) + port->port);
    add(of(account));
    return sum;
  }
  bool same_ports(const Answers& other) const {
    return std::equal(ports.begin(), ports.end(), other.ports.begin(), other.ports.end(),
                      [](const auto* a, const auto* b) { return *a == *b; });
  }
  bool operator==(const Answers& other) const {
    return labels == other.labels && account == other.account && same_ports(other);
  }
};

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

// What one thread finds among some pods; classes are numbered from 0.
struct PodClasses::Part {
  std::vector<const model::Pod*> samples;
  std::vector<PodClass> of_pods;
  std::vector<NamespaceRange> namespaces;
};

void PodClasses::classify(const std::vector<const model::Pod*>& pods, size_t begin, size_t end,
                          Part& out) const {
  std::unordered_multimap<size_t, PodClass> known;  // of the present namespace
  Answers answers;
  Answers others;
  out.of_pods.reserve(end - begin);
  for (size_t i = begin; i < end; ++i) {
    const model::Pod& pod = *pods[i];
    if (!pod.networked()) {
      out.of_pods.push_back(kNoPod);
      continue;
    }
    if (out.namespaces.empty() || out.namespaces.back().name != pod.name.ns) {
      const auto object = world_.namespaces.find(pod.name.ns);
      const auto first = static_cast<PodClass>(out.samples.size());
      out.namespaces.push_back({pod.name.ns,
                                object == world_.namespaces.end() ? nullptr : &object->second,
                                first, first});
      known.clear();
    }
    answers.read(pod, questions_);
    const size_t hash = answers.hash();
    PodClass found = kNoPod;
    const auto [first, last] = known.equal_range(hash);
    for (auto it = first; it != last && found == kNoPod; ++it) {
      others.read(*out.samples[it->second], questions_);
      if (answers == others) found = it->second;
    }
    if (found == kNoPod) {
      found = static_cast<PodClass>(out.samples.size());
      out.samples.push_back(&pod);
      out.namespaces.back().end = found + 1;
      known.emplace(hash, found);
    }
    out.of_pods.push_back(found);
  }
}

PodClasses::PodClasses(const model::World& world, const PodQuestions& questions, unsigned threads)
    : world_(world), questions_(questions) {
  std::vector<const model::Pod*> pods;
  pods.reserve(world.pods.size());
  for (const auto& [name, pod] : world.pods) pods.push_back(&pod);
  threads = std::max(1U, threads);
  std::vector<Part> parts(threads);
  // Each thread gets whole namespaces.
  const auto cut = [&](unsigned thread) {
    size_t at = pods.size() * thread / threads;
    while (at > 0 && at < pods.size() && pods[at]->name.ns == pods[at - 1]->name.ns) ++at;
    return at;
  };
  run_parallel(threads, [&](unsigned thread) {
    classify(pods, cut(thread), cut(thread + 1), parts[thread]);
  });
  of_pods_.reserve(pods.size());
  for (const Part& part : parts) {
    const auto base = static_cast<PodClass>(samples_.size());
    samples_.insert(samples_.end(), part.samples.begin(), part.samples.end());
    for (NamespaceRange range : part.namespaces) {
      range.begin += base;
      range.end += base;
      range_of_class_.resize(range.end, static_cast<uint32_t>(namespaces_.size()));
      namespaces_.push_back(range);
    }
    for (const PodClass c : part.of_pods) of_pods_.push_back(c == kNoPod ? kNoPod : base + c);
  }
  index_labels();
}

// For each class, as bits, which of the (at most 64) peers that hold the most hold it and not its
// whole namespace. Sorted by them, classes that are picked together lie together.
std::vector<uint64_t> PodClasses::picks(const std::vector<RangeSet*>& sets) const {
  std::vector<std::pair<size_t, uint32_t>> by_size;
  for (uint32_t i = 0; i < sets.size(); ++i) by_size.emplace_back(sets[i]->count(), i);
  std::sort(by_size.begin(), by_size.end(), std::greater<>());
  struct Used {
    int bits = 0;
    uint32_t last = 0xffffffff;  // the set that has the last bit
  };
  std::vector<Used> used(namespaces_.size());
  std::vector<uint64_t> out(samples_.size());
  for (const auto& [size, i] : by_size) {
    if (size == 0) break;
    for (const RangeSet::Range& range : sets[i]->ranges()) {
      for (PodClass c = range.begin; c < range.end;) {
        const uint32_t n = range_of_class_[c];
        const PodClass end = std::min(range.end, namespaces_[n].end);
        const bool whole = c == namespaces_[n].begin && end == namespaces_[n].end;
        Used& bits = used[n];
        if (!whole && (bits.last == i || bits.bits < 64)) {
          if (bits.last != i) ++bits.bits;
          bits.last = i;
          const uint64_t bit = uint64_t{1} << (64 - bits.bits);
          for (PodClass member = c; member < end; ++member) out[member] |= bit;
        }
        c = end;
      }
    }
  }
  return out;
}

void PodClasses::renumber(RangeSet& set, const std::vector<PodClass>& now_of,
                          const std::vector<NamespaceRange>& now) const {
  RangeSet out;
  std::vector<uint32_t> points;  // of the present namespace
  uint32_t last = 0xffffffff;
  const auto flush = [&] {
    std::sort(points.begin(), points.end());
    PodClass past = 0;
    for (const PodClass point : points) {
      if (point < past) continue;
      out.append(point, point + 1);
      past = point + 1;
    }
    points.clear();
  };
  for (const RangeSet::Range& range : set.ranges()) {
    for (PodClass c = range.begin; c < range.end;) {
      const uint32_t n = range_of_class_[c];
      if (n != last) flush();
      last = n;
      const PodClass end = std::min(range.end, namespaces_[n].end);
      if (c == namespaces_[n].begin && end == namespaces_[n].end) {
        out.append(now[n].begin, now[n].end);
      } else {
        for (PodClass member = c; member < end; ++member) points.push_back(now_of[member]);
      }
      c = end;
    }
  }
  flush();
  set = std::move(out);
}

void PodClasses::merge(const std::vector<RangeSet*>& sets, unsigned threads) {
  struct Edge {
    PodClass at = 0;
    uint32_t set = 0;
  };
  std::vector<Edge> edges;
  for (uint32_t i = 0; i < sets.size(); ++i) {
    for (const RangeSet::Range& range : sets[i]->ranges()) {
      edges.push_back({range.begin, i});
      edges.push_back({range.end, i});
    }
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });

  const std::vector<uint64_t> picked = picks(sets);
  std::vector<PodClass> now_of(samples_.size());
  std::vector<NamespaceRange> now = namespaces_;
  std::vector<const model::Pod*> samples;
  std::vector<uint32_t> range_of_class;
  std::map<std::vector<std::tuple<std::string_view, uint8_t, uint16_t>>, uint64_t> port_lists;
  std::unordered_map<Signature, PodClass, SignatureHash> known;
  std::vector<PodClass> firsts;  // of each class that stays, one of those it is made of
  std::vector<PodClass> order;
  std::vector<PodClass> rank;
  Signature signature;
  Answers answers;
  size_t next = 0;
  for (uint32_t n = 0; n < namespaces_.size(); ++n) {
    known.clear();
    firsts.clear();
    for (PodClass c = namespaces_[n].begin; c < namespaces_[n].end; ++c) {
      for (; next < edges.size() && edges[next].at <= c; ++next) signature.toggle(edges[next].set);
      Signature full = signature;
      if (questions_.names_ports()) {
        answers.read(*samples_[c], questions_);
        std::vector<std::tuple<std::string_view, uint8_t, uint16_t>> ports;
        for (const model::NamedPort* port : answers.ports)
          ports.emplace_back(port->name, port->protocol.number, port->port);
        full.toggle(sets.size() +
                    port_lists.try_emplace(std::move(ports), port_lists.size()).first->second);
      }
      const auto [it, fresh] = known.try_emplace(full, static_cast<PodClass>(firsts.size()));
      if (fresh) firsts.push_back(c);
      now_of[c] = it->second;
    }
    order.resize(firsts.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](PodClass a, PodClass b) { return picked[firsts[a]] > picked[firsts[b]]; });
    const auto begin = static_cast<PodClass>(samples.size());
    rank.resize(firsts.size());
    for (const PodClass local : order) {
      rank[local] = static_cast<PodClass>(samples.size());
      samples.push_back(samples_[firsts[local]]);
      range_of_class.push_back(n);
    }
    for (PodClass c = namespaces_[n].begin; c < namespaces_[n].end; ++c)
      now_of[c] = rank[now_of[c]];
    now[n].begin = begin;
    now[n].end = static_cast<PodClass>(samples.size());
  }
  run_parallel(threads, sets.size(), [&](size_t i) { renumber(*sets[i], now_of, now); });
  for (PodClass& c : of_pods_) {
    if (c != kNoPod) c = now_of[c];
  }
  samples_ = std::move(samples);
  range_of_class_ = std::move(range_of_class);
  namespaces_ = std::move(now);
  by_label_.clear();
  namespaces_by_label_.clear();
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
  for (PodClass c = 0; c < samples_.size(); ++c) {
    for (const auto& [key, value] : samples_[c]->labels) {
      if (const auto answer = questions_.answer(key, value)) by_label_[key][*answer].push_back(c);
    }
  }
  for (uint32_t n = 0; n < namespaces_.size(); ++n) {
    if (namespaces_[n].object == nullptr) continue;
    for (const auto& [key, value] : namespaces_[n].object->labels)
      namespaces_by_label_[key][value].push_back(n);
  }
}

std::optional<std::vector<uint32_t>> PodClasses::namespaces_of(
    const model::EndpointPeer& peer) const {
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

RangeSet PodClasses::match(const model::EndpointPeer& peer) const {
  const auto namespaces = namespaces_of(peer);
  if (peer.pods.matches_everything()) {
    if (!namespaces) return RangeSet::of(0, static_cast<uint32_t>(samples_.size()));
    RangeSet out;
    for (const uint32_t n : *namespaces) out.append(namespaces_[n].begin, namespaces_[n].end);
    return out;
  }
  const selector::Node* node = necessary_values(peer.pods.root());
  if (node != nullptr && (!peer.inherited || is_own_label(node->key)))
    return match_by_label(peer, *node, namespaces);
  RangeSet out;
  const auto add = [&](const NamespaceRange& range) {
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

// Looks only at the classes that have a label which the selector cannot do without.
RangeSet PodClasses::match_by_label(const model::EndpointPeer& peer,
                                    const selector::Node& necessary,
                                    const std::optional<std::vector<uint32_t>>& namespaces) const {
  const auto values = by_label_.find(necessary.key);
  if (values == by_label_.end()) return {};
  std::vector<uint32_t> points;
  const auto add = [&](auto begin, auto end) {
    for (auto it = begin; it != end; ++it) {
      if (matches(peer, *it, namespaces_[range_of_class_[*it]])) points.push_back(*it);
    }
  };
  for (const std::string& value : necessary.values) {
    const auto posting = values->second.find(value);
    if (posting == values->second.end()) continue;
    const Posting& classes = posting->second;  // ascending
    if (!namespaces) {
      add(classes.begin(), classes.end());
      continue;
    }
    for (const uint32_t n : *namespaces) {
      const auto first = std::lower_bound(classes.begin(), classes.end(), namespaces_[n].begin);
      add(first, std::lower_bound(first, classes.end(), namespaces_[n].end));
    }
  }
  return RangeSet::from_points(std::move(points));
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
