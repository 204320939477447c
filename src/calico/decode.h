// ObjectDecoder: API objects of every kind that policy depends on, into model::Updates.
//
// The one entry for whoever reads objects: ClusterWatch (from the API server) and offline loading
// (from YAML). Kubernetes kinds go through kube/decode.h, Calico's through the decoders of this
// folder. It holds what takes more than one object to tell: the same Calico object in both of its
// API groups, FelixConfiguration default and node.NAME, automatic host endpoints. Feed each change
// once; repeats do no harm. Not thread-safe.
//
// It never fails: an invalid policy becomes PolicyUpdate.invalid (closed), another unusable object
// counts as absent, and either gives a Finding.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"
#include "model/object.h"
#include "model/update.h"

namespace caracal::calico {

// A collection of the API: /apis/GROUP/VERSION/PLURAL, or /api/v1/PLURAL for the core group.
struct Collection {
  std::string_view group;
  std::string_view version;
  std::string_view plural;
  std::string_view kind;
  bool namespaced = false;
  bool always = false;  // every Kubernetes API server serves it

  std::string api_version() const;  // "v1", "projectcalico.org/v3"
  std::string path() const;         // "/api/v1/pods"
};

// All that ObjectDecoder reads.
std::span<const Collection> collections();
// nullptr: not one of them.
const Collection* find_collection(std::string_view api_version, std::string_view kind);

// What an object says that cannot be taken as it stands.
struct Finding {
  const Collection* collection = nullptr;
  model::ObjectName name;
  bool invalid = false;       // the whole object is; else only the part that `text` names
  std::string text;           // "spec.ingress[0].action: \"Drop\": must be one of ..."
  std::string title() const;  // "GlobalNetworkPolicy deny-all"
  bool operator==(const Finding&) const = default;
};

struct Decoded {
  std::vector<model::Update> updates;
  std::vector<Finding> findings;  // all of the object; none: nothing is wrong with it (any more)
};

class ObjectDecoder {
 public:
  // `node`: whose settings (FelixConfiguration node.NAME) hold; empty: the cluster's only.
  explicit ObjectDecoder(std::string node = {});
  ~ObjectDecoder();
  ObjectDecoder(ObjectDecoder&&) noexcept;
  ObjectDecoder& operator=(ObjectDecoder&&) noexcept;

  // The object as it is now; nullptr: it is gone.
  Decoded apply(const Collection& collection, const model::ObjectName& name,
                const json::value* object);
  // By the apiVersion, kind and metadata that the object itself has. Errors: kUnsupported (a kind
  // policy does not depend on), kInvalid (no object, no name).
  Result<Decoded> apply(const json::value& object);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace caracal::calico
