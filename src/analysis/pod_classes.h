// PodClasses: the pods of a world, told apart only by what policies can see of them.
//
// Made in two steps: first pods of a namespace are one class that give the same answers to what
// policies ask (pod_questions.h); then, once it is known which peers hold which classes, those that
// the same peers hold are merged. Classes are numbered by namespace, so that a namespace is one
// range of classes, and within it so that what many policies pick lies together. Built from a World
// that outlives it; read-only after merge() (from any thread).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analysis/pod_questions.h"
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
  // `questions` must outlive it, and hold all that the peers ask that match() is called with.
  PodClasses(const model::World& world, const PodQuestions& questions, unsigned threads = 1);

  // The classes that a peer's selectors hold, before classes are merged. Any thread.
  RangeSet match(const model::EndpointPeer& peer) const;
  // Merges classes; `sets` is what match() said of every peer, and becomes the same in the new
  // numbers. To be called once.
  void merge(const std::vector<RangeSet*>& sets, unsigned threads = 1);

  size_t size() const { return samples_.size(); }
  // One of the pods of a class; all answer alike.
  const model::Pod& sample(PodClass pod_class) const { return *samples_[pod_class]; }
  bool namespace_known(PodClass pod_class) const;
  // The classes of pods, in the order of world.pods; kNoPod for those without a network of their
  // own.
  const std::vector<PodClass>& of_pods() const { return of_pods_; }

  // The classes that have a named port, with its numbers (sorted). REQUIRES: it was asked for.
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
  std::optional<std::vector<uint32_t>> namespaces_of(const model::EndpointPeer& peer) const;
  RangeSet match_by_label(const model::EndpointPeer& peer, const selector::Node& necessary,
                          const std::optional<std::vector<uint32_t>>& namespaces) const;
  bool matches(const model::EndpointPeer& peer, PodClass pod_class,
               const NamespaceRange& range) const;
  LabelView view(PodClass pod_class, const model::Namespace* ns) const;
  void index_labels();
  struct Part;
  void classify(const std::vector<const model::Pod*>& pods, size_t begin, size_t end,
                Part& out) const;
  std::vector<uint64_t> picks(const std::vector<RangeSet*>& sets) const;
  void renumber(RangeSet& set, const std::vector<PodClass>& now_of,
                const std::vector<NamespaceRange>& now) const;

  const model::World& world_;
  const PodQuestions& questions_;
  std::vector<const model::Pod*> samples_;
  std::vector<uint32_t> range_of_class_;
  std::vector<PodClass> of_pods_;
  std::vector<NamespaceRange> namespaces_;
  Postings by_label_;             // key, value -> classes
  Postings namespaces_by_label_;  // key, value -> namespaces_
};

}  // namespace caracal::analysis
