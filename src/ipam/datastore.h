// Datastore: the objects of the address management, read and changed by compare-and-swap.
//
// Asynchronous: every callback runs later, on the loop of the caller, exactly once, and never after
// the datastore has ended. KubeDatastore (kube_datastore.h) is an API server's; tests have one in
// memory (testing/memory_datastore.h). Callers that may end before an answer guard their callbacks
// themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::ipam {

enum class Kind : uint8_t {
  kBlock,               // IPAMBlock
  kAffinity,            // BlockAffinity
  kHandle,              // IPAMHandle
  kPool,                // IPPool, as stored (crd.projectcalico.org/v1 where it is served)
  kShownPool,           // IPPool of projectcalico.org/v3
  kClusterInformation,  // ClusterInformation, as stored
  kShownClusterInformation,
};
std::string_view to_string(Kind kind);  // "IPAMBlock", ...
// Nobody knows whether a write that ended so has happened, or will.
bool outcome_unknown(Errc code);

// What must still hold for a delete to happen; empty texts: whatever.
struct Precondition {
  std::string uid;
  std::string resource_version;
};

// Requests since the start, for metrics and benchmarks.
struct DatastoreCounters {
  uint64_t reads = 0;   // get and list
  uint64_t writes = 0;  // create, update, remove
  uint64_t conflicts = 0;
  uint64_t failures = 0;
};

class Datastore {
 public:
  using OnObject = std::function<void(Result<json::value>)>;
  using OnList = std::function<void(Result<std::vector<json::value>>)>;
  using OnDone = std::function<void(Status)>;

  virtual ~Datastore() = default;

  // Errors of all: kUnavailable (no answer, or not now: whether a write has happened is unknown),
  // kPermission, kInvalid (refused as wrong), kUnsupported (the kind is not served).
  // kNotFound:
  virtual void get(Kind kind, std::string name, OnObject done) = 0;
  // label_selector: as kubectl's -l; empty: all. The newest there is.
  virtual void list(Kind kind, std::string label_selector, OnList done) = 0;
  // The object as stored. kExists: one of this name is there.
  virtual void create(Kind kind, json::value object, OnObject done) = 0;
  // REQUIRES: metadata.resourceVersion. kConflict: it has changed since; kNotFound.
  virtual void update(Kind kind, json::value object, OnObject done) = 0;
  // kConflict: the precondition does not hold; kNotFound.
  virtual void remove(Kind kind, std::string name, Precondition precondition, OnDone done) = 0;
};

}  // namespace caracal::ipam
