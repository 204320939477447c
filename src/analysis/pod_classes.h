// PodClasses: the pods of a world, told apart only by what policies can see of them: namespace,
// labels, named ports, and the service account where a selector looks at it.
//
// Classes are numbered by namespace, so that a namespace is one range of classes. Built once from a
// World that outlives it; match() keeps indexes, so it belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analysis/range_set.h"
#include "model/world.h"

namespace caracal::analysis {

using PodClass = uint32_t;
inline constexpr PodClass kNoPod = 0xffffffff;

// The labels that Calico's selectors see on a pod, or on a network set or host endpoint
// (model/policy.h, EndpointPeer).
struct LabelView {
  const model::Labels* own = nullptr;
  std::string_view ns;                          // empty: in none
  const model::Namespace* ns_object = nullptr;  // null: not known
  std::string_view account;                     // of a pod
  const model::ServiceAccount* account_object = nullptr;
  bool pod = false;
  std::optional<std::string_view> inherited(std::string_view key) const;
};

class PodClasses {
 public:
  // `accounts`: does a selector look at service accounts?
  PodClasses(const model::World& world, bool accounts);

  size_t size() const { return samples_.size(); }
  // One of the pods of a class; they are all alike.
  const model::Pod& sample(PodClass pod_class) const { return *samples_[pod_class]; }
  bool namespace_known(PodClass pod_class) const;
  // The classes of pods, in the order of world.pods; kNoPod for those without a network of their
  // own.
  const std::vector<PodClass>& of_pods() const { return of_pods_; }

  // The classes that a peer's selectors hold.
  RangeSet match(const model::EndpointPeer& peer);
  // The classes that have a named port, with its numbers (sorted).
  struct NamedPortClass {
    PodClass pod_class = 0;
    std::vector<uint16_t> ports;
  };
  std::vector<NamedPortClass> with_port(const std::string& name, net::Protocol protocol) const;

 private:
  struct NamespaceRange {
    std::string_view name;
    const model::Namespace* object = nullptr;
    PodClass begin = 0;
    PodClass end = 0;
  };
  using Posting = std::vector<uint32_t>;
  using Postings =
      std::unordered_map<std::string_view, std::unordered_map<std::string_view, Posting>>;

  const NamespaceRange* find_namespace(std::string_view name) const;
  // Indexes into namespaces_, ascending; nullptr: all of them.
  std::optional<std::vector<uint32_t>> namespaces_of(const model::EndpointPeer& peer);
  bool matches(const model::EndpointPeer& peer, PodClass pod_class,
               const NamespaceRange& range) const;
  LabelView view(PodClass pod_class, const model::Namespace* ns) const;
  void index_labels();

  const model::World& world_;
  std::vector<const model::Pod*> samples_;
  std::vector<uint32_t> range_of_class_;
  std::vector<PodClass> of_pods_;
  std::vector<NamespaceRange> namespaces_;
  Postings by_label_;             // key, value -> classes
  Postings namespaces_by_label_;  // key, value -> namespaces_
  bool indexed_ = false;
};

}  // namespace caracal::analysis
