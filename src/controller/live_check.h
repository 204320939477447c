// LiveCheck: asks the API server itself about the pods and nodes on which a collection depends.
//
// The watches are late by a moment, and each by another: a block may tell of an address whose pod,
// or even whose node, the caches do not know yet. A pod exists before it has an address, and its
// node before the pod; so who has seen the address and then asks the server gets the truth.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <set>
#include <string>

#include "ipam/address_world.h"
#include "ipam/collector.h"
#include "kube/client.h"

namespace caracal::controller {

class LiveCheck {
 public:
  // `world` holds the nodes and pods that were asked for and are there, and all other nodes of
  // `known_nodes`. Errors: the first answer that is none; then nothing is proven.
  using Done = std::function<void(Result<ipam::AddressWorld> world)>;

  explicit LiveCheck(kube::Client& client) : client_(client) {}
  // One at a time. `done` runs later. The end of the object cancels.
  void run(const ipam::CollectionPlan& plan, std::set<std::string, std::less<>> known_nodes,
           Done done);

 private:
  struct Question {
    model::ObjectName name;  // without namespace: a node
  };
  void pump();
  void take(const Question& question, const Result<kube::Response>& response);

  kube::Client& client_;
  std::deque<Question> questions_;
  size_t under_way_ = 0;
  ipam::AddressWorld world_;
  std::string error_;
  Errc code_ = Errc::kInternal;
  Done done_;
  std::list<kube::Call> calls_;
};

}  // namespace caracal::controller
