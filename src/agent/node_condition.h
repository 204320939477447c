// NodeCondition: what this node's network is like, told as conditions of its Node object.
//
//   NetworkUnavailable  "False" once the agent is ready, since clouds start their nodes with "True"
//                       and keep pods away until the network plugin says otherwise. An agent that
//                       is ready no more leaves it: pods that run still have their network.
//   PodNetworkDegraded  "True" with what is wrong in short, "False" when nothing is.
//
// On the calculation loop. Told what is, and (by the watch) what the Node says; writes the
// difference as one strategic merge patch (conditions are merged by type, others' stay) a moment
// later, and again with backoff until it is so. What is right already is not written again.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/patch_writer.h"

namespace caracal::agent {

struct NodeConditionOptions {
  std::string node;
  event::Duration debounce{2'000};  // from a difference to its writing
  event::BackoffOptions backoff{.first = event::Duration(1'000),
                                .longest = event::Duration(60'000)};
};

class NodeCondition {
 public:
  NodeCondition(kube::Client& client, NodeConditionOptions options);

  // What is. REQUIRES: the agent is in sync with the API; before that it knows nothing worth
  // telling.
  void tell(bool ready, const std::vector<std::string>& problems);
  // A Node as the API has it now, nullptr: it is gone. Nodes of others are passed over.
  void seen(std::string_view name, const json::value* node);

  // All that is to be told has been seen, and nothing is under way.
  bool settled() const { return known_ && !writer_.trying() && missing().empty(); }
  // Why the last attempt failed; empty: it did not.
  const std::string& error() const { return writer_.error(); }

 private:
  struct Condition {
    std::string status;
    std::string reason;
    std::string message;
    std::string since;  // lastTransitionTime; only of what was seen
  };
  using Conditions = std::map<std::string, Condition, std::less<>>;  // by type

  void want(std::string_view type, Condition condition);
  Conditions missing() const;
  void look();
  void attempt();
  void written();

  NodeConditionOptions options_;
  Conditions wanted_;
  Conditions seen_;
  bool known_ = false;
  Conditions sent_;
  bool seen_since_ = false;  // since it was sent
  PatchWriter writer_;
};

}  // namespace caracal::agent
