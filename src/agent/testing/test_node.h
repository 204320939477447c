// TestNode: a node for tests: a network namespace with an API server and an agent in it, and pods'
// namespaces beside it. Everything it made is gone with it; what a killed test left is removed by
// the next.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/subprocess.h"
#include "jsonio/json.h"
#include "kube/blocking_client.h"
#include "netlink/network_namespace.h"

namespace caracal::agent::testing {

// A program running in a network namespace; killed with its owner.
class Child {
 public:
  static Result<Child> start(std::vector<std::string> argv, const std::string& netns,
                             const std::string& log);
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&& other) noexcept;
  ~Child() { stop(9); }
  int stop(int signal);  // and waits for its end; the exit code, 128 + n when signal n ended it
  pid_t pid() const { return pid_; }

 private:
  explicit Child(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
};

struct CniAnswer {
  int exit_code = -1;
  json::value output;
  int64_t code() const { return jsonio::get_int(output, {"code"}); }
  std::string text() const { return jsonio::to_string(output); }
};

class TestNode {
 public:
  // Unset when the programs are not built; `why` says which.
  static std::unique_ptr<TestNode> make(std::string& why, std::vector<std::string> pod_cidrs);
  ~TestNode();

  // `flags` of the API server besides those it needs; they stay for later starts.
  Status start_api(std::vector<std::string> flags = {});
  void stop_api() { api_.reset(); }
  // Waits until the agent answers; with `ready`, until it is ready.
  Status start_agent(bool ready = true);
  int stop_agent(int signal);  // its exit code, as Child::stop()
  // Flags of the agent besides those it needs, from its next start on.
  void set_agent_flags(std::vector<std::string> flags) { agent_flags_ = std::move(flags); }
  // Addresses from IPPools instead of the node's pod CIDRs, from the agent's next start on.
  void set_pools(bool pools) { pools_ = pools; }
  pid_t agent_pid() const { return agent_ ? agent_->pid() : -1; }
  Status wait_ready(bool ready = true);
  Status wait_connected(bool connected);  // until the agent's watches run, or have ended

  // API objects.
  // Runs `fn` with a client of the node's API server.
  Result<json::value> with_api(const std::function<Result<json::value>(kube::BlockingClient&)>& fn);
  Status create(const std::string& path, const json::value& object);
  Status remove(const std::string& path);
  Status add_namespace(const std::string& ns);
  Status add_pod(const std::string& ns, const std::string& name, const json::object& labels = {});

  // A new network namespace for a sandbox; its path.
  std::string add_sandbox();
  void remove_sandbox(const std::string& path);

  // The plugin, run as a runtime runs it.
  CniAnswer cni(const std::string& command, const std::string& container, const std::string& netns,
                const std::string& pod, json::object more = {},
                const std::string& version = "1.1.0") const;
  CniAnswer plugin(const std::string& program, const std::string& command,
                   const std::string& container, const std::string& netns, const std::string& pod,
                   const json::object& config) const;

  json::value status() const;  // of the agent
  // What the agent's local socket answers; null when it does not.
  json::value ask(const std::string& method, json::value params) const;
  std::string in_node(
      const std::vector<std::string>& argv) const;  // output of a command in the node
  std::string in_pod(const std::string& netns, const std::vector<std::string>& argv) const;
  std::vector<std::string> links() const;  // cali* interfaces of the node
  uint32_t nft_generation() const;

  const netlink::NetworkNamespace& netns() const { return *ns_; }
  const std::string& folder() const { return folder_; }
  std::string socket() const { return folder_ + "/agent.sock"; }

 private:
  TestNode() = default;

  std::string name_;
  std::string folder_;
  std::optional<netlink::NetworkNamespace> ns_;
  std::optional<Child> api_;
  std::optional<Child> agent_;
  std::vector<std::string> sandboxes_;
  std::vector<std::string> api_flags_;
  bool pools_ = false;
  std::vector<std::string> agent_flags_;
  int next_ = 0;
};

}  // namespace caracal::agent::testing
