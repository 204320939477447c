// ApiWrite: one change of an API object that a pass asks for; and WriteQueue, which does them.
//
// Passes are pure: they compare what is with what should be and give writes. Each write is guarded
// by the version of the object it was computed from, so a race gives a conflict and the next pass
// computes anew; nothing is retried blindly.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "controller/fence.h"
#include "jsonio/json.h"
#include "kube/client.h"
#include "kube/http.h"
#include "telemetry/metrics.h"

namespace caracal::controller {

struct ApiWrite {
  kube::Request request;
  std::string what;  // "create HostEndpoint node1-auto-hep", for the log
};

// Where an object is served: "projectcalico.org/v3", "hostendpoints".
struct ApiKind {
  std::string api_version;
  std::string kind;
  std::string plural;
};

// The writes of a cluster-scoped object. `object` as the server has it gives name and version.
ApiWrite create_write(const ApiKind& kind, const json::value& object);
ApiWrite replace_write(const ApiKind& kind, const json::value& object);
ApiWrite delete_write(const ApiKind& kind, const json::value& object);
// A merge patch of the object, or of its status. What cannot be found as a subresource of its own
// is tried as a part of the object by WriteQueue.
ApiWrite patch_write(const ApiKind& kind, const json::value& object, json::object patch);
ApiWrite status_write(const ApiKind& kind, const json::value& object, json::object status);

// A core/v1 Event about a cluster-scoped object. Its name follows from object and text: the same
// is told once.
ApiWrite event_write(const ApiKind& kind, const json::value& object, std::string_view type,
                     std::string_view reason, const std::string& message,
                     const std::string& reporter, const std::string& now);

struct WriteOutcome {
  size_t done = 0;
  size_t raced = 0;  // somebody else was faster: what is to be done is computed anew
  size_t failed = 0;
  bool fenced = false;  // the lease was lost on the way; the rest was not sent
  std::string error;    // of the first that failed
};

// On the client's loop. Runs one list at a time, several requests at once, in the order given as
// far as they start. Every request is preceded by a look at the fence.
class WriteQueue {
 public:
  WriteQueue(kube::Client& client, const Fence& fence, telemetry::Metrics& metrics);
  // `done` comes later, never from within.
  void run(std::vector<ApiWrite> writes, std::function<void(WriteOutcome)> done);

 private:
  struct Batch {
    std::deque<ApiWrite> waiting;
    std::function<void(WriteOutcome)> done;
    WriteOutcome outcome;
    size_t under_way = 0;
  };
  void pump();
  void send(ApiWrite write);
  void take(const ApiWrite& write, const Result<kube::Response>& response);

  kube::Client& client_;
  const Fence& fence_;
  telemetry::Counter& written_;
  telemetry::Counter& raced_;
  telemetry::Counter& failed_;
  std::list<Batch> batches_;
  std::list<kube::Call> calls_;
};

}  // namespace caracal::controller
