// NodeReporter: what the kubelets of a lab say of their nodes: Ready while the node's agent answers
// on its socket, and a Lease renewed every ten seconds. Lives on one loop; asks and writes on
// workers.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "event/loop.h"
#include "lab/client_pool.h"
#include "lab/plan.h"

namespace caracal::lab {

class NodeReporter {
 public:
  // All must outlive it.
  NodeReporter(event::Loop& loop, ClientPool& clients, const Plan& plan, const Paths& paths);
  void start();

 private:
  struct Node {
    bool busy = false;
    bool ready = false;
    std::string message;                            // why it is not
    std::chrono::steady_clock::time_point written;  // of the last status and lease
  };
  void look();
  void look_at(size_t index);

  event::Loop& loop_;
  ClientPool& clients_;
  const Plan& plan_;
  const Paths& paths_;
  std::vector<Node> nodes_;
  event::Handle timer_;
};

// Asks the agent at `socket`. Ok when it says that it is ready; else why not.
Status ask_agent(const std::string& socket);
// All that the agent at `socket` says of itself.
Result<json::value> agent_status(const std::string& socket);

}  // namespace caracal::lab
