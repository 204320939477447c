// BirdNetwork: nodes on one Ethernet segment, for tests: each a network namespace with a
// BirdKeeper, its BIRD, and pods. Needs root and BIRD. Everything it made is gone with it; what a
// killed test left is removed by the next.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bgp/bgp_engine.h"
#include "bgp/bird_keeper.h"
#include "event/loop.h"

namespace caracal::bgp::testing {

class BirdNetwork {
 public:
  // nullptr when it cannot be (not root, no BIRD); `why` says it.
  static std::unique_ptr<BirdNetwork> make(std::string& why);
  ~BirdNetwork();

  // A namespace with eth0 on the segment and these addresses ("10.0.0.1/24").
  void add_host(const std::string& name, const std::vector<std::string>& addresses);
  // A wire of their own between two hosts: a device of this name on both.
  void connect(const std::string& device, const std::string& one, const std::string& one_address,
               const std::string& other, const std::string& other_address);
  // Takes the host's plug out of the segment (or puts it in): neither side loses its carrier.
  void cut(const std::string& host);
  void mend(const std::string& host);
  // A host whose engine knows all that tell() has told and will tell.
  void add_node(const std::string& name, const std::vector<std::string>& addresses);
  // A pod: a namespace behind `cali...`, with the route the agent would make.
  void add_pod(const std::string& node, const std::string& pod, const std::string& address);

  // To every node's engine; then every keeper gets what it should have.
  void tell(const std::vector<model::NetworkUpdate>& updates);
  BgpEngine& engine(const std::string& node) { return *nodes_.at(node).engine; }
  BirdKeeper& keeper(const std::string& node) { return *nodes_.at(node).keeper; }
  void flush();
  // The agent ends (BIRD goes on), and a new one begins.
  void end_agent(const std::string& node);
  void begin_agent(const std::string& node);

  event::Loop& loop() { return loop_; }
  // Lets the loop run until the condition holds, asked ten times a second.
  bool eventually(const std::function<bool()>& condition,
                  event::Duration limit = event::Duration(60'000));
  BirdKeeper::View view(const std::string& node);
  // The peer with this address, as `node` sees it; an empty report when there is none.
  PeerReport peer(const std::string& node, const std::string& address);
  bool established(const std::string& node, const std::string& address);

  // A BIRD that no agent keeps, such as in a pod, with this configuration. Ends with the network.
  void start_bird(const std::string& host, const std::string& config);

  // Runs a command in a host's or pod's namespace; its output.
  std::string run_in(const std::string& name, const std::vector<std::string>& argv);
  std::string routes(const std::string& name, const std::string& family = "-4");
  bool has_route(const std::string& name, const std::string& start);  // a line that starts so
  bool ping(const std::string& pod, const std::string& address);
  std::string bird(const std::string& node, const std::string& command);  // its reply

  std::string namespace_of(const std::string& name) const { return prefix_ + name; }
  const std::string& folder() const { return folder_; }
  // Ends with the network.
  void own_process(pid_t pid) { processes_.push_back(pid); }

 private:
  struct Node {
    std::unique_ptr<BgpEngine> engine;
    std::unique_ptr<BirdKeeper> keeper;
  };
  BirdNetwork() = default;
  BirdKeeper::Options keeper_options(const std::string& node) const;

  std::string prefix_;
  std::string folder_;
  event::Loop loop_;
  std::map<std::string, Node> nodes_;
  std::vector<std::string> namespaces_;
  std::vector<model::NetworkUpdate> told_;
  std::vector<pid_t> processes_;
};

}  // namespace caracal::bgp::testing
