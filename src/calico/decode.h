// ObjectDecoder: API objects of every kind that policy and the pod network depend on, into
// model::Updates and model::NetworkUpdates.
//
// The one entry for whoever reads objects: ClusterWatch (from the API server) and offline loading
// (from YAML). Kubernetes kinds go through kube/decode.h, Calico's through the decoders of this
// folder, what only the network needs through network_decoder.h. It holds what takes more than one
// object to tell: the same Calico object in both of its API groups, FelixConfigurations for all,
// some and one node, automatic host endpoints. Feed each change once; repeats do no harm. Who needs
// policy alone feeds collections() alone. Not thread-safe.
//
// It never fails: an invalid policy becomes PolicyUpdate.invalid (closed), another unusable object
// of policy counts as absent, one of the network goes on as it was; each gives a Finding.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "calico/collection.h"
#include "jsonio/json.h"
#include "model/network_update.h"
#include "model/object.h"
#include "model/update.h"

namespace caracal::calico {

struct Decoded {
  std::vector<model::Update> updates;
  std::vector<model::NetworkUpdate> network;
  std::vector<Finding> findings;  // all of the object; none: nothing is wrong with it (any more)
};

class ObjectDecoder {
 public:
  // `node`: whose settings (FelixConfiguration node.NAME, or by nodeSelector) hold; empty: the
  // cluster's only.
  explicit ObjectDecoder(std::string node = {});
  ~ObjectDecoder();
  ObjectDecoder(ObjectDecoder&&) noexcept;
  ObjectDecoder& operator=(ObjectDecoder&&) noexcept;

  // The object as it is now; nullptr: it is gone.
  Decoded apply(const Collection& collection, const model::ObjectName& name,
                const json::value* object);
  // By the apiVersion, kind and metadata that the object itself has. Errors: kUnsupported (a kind
  // that nothing depends on), kInvalid (no object, no name).
  Result<Decoded> apply(const json::value& object);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace caracal::calico
