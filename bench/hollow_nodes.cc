// Many hollow nodes in one process, driven by bench/convergence over standard input:
//
//   expect CHANGE   -> "ok"                      (kernel_observer.h names the changes)
//   seen CHANGE     -> "N TIME TIME ..."         nanoseconds of CLOCK_MONOTONIC
//   state           -> "STARTED SYNCED FAILED LEAST-ROUTES MOST-ROUTES LOST"
//
// The nodes' namespaces have no names and end with the process, however it ends; so does the
// process when its input ends.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <thread>

#include "base/log.h"
#include "hollow_node.h"
#include "kernel_observer.h"
#include "kube/kubeconfig.h"

namespace caracal::bench {
namespace {

struct Flags {
  std::string kubeconfig;
  int first = 0;
  int count = 10;
  bool all = false;  // collections, or those of the network
  int at_once = 4;   // that start: more only wait for each other's processor time
};

class Process {
 public:
  Status start(const Flags& flags) {
    CARACAL_ASSIGN(access_, kube::find_access({.kubeconfig = flags.kubeconfig}));
    for (int i = flags.first; i < flags.first + flags.count; ++i) {
      CARACAL_ASSIGN(auto node,
                     HollowNode::create(fmt::format("node-{:05}", i),
                                        fmt::format("10.0.{}.{}/16", 1 + (i >> 7), 1 + (i & 127))));
      CARACAL_TRY(observer_.add(node->ns()));
      nodes_.push_back(std::move(node));
    }
    starter_ = std::thread([this, flags] { start_in_turn(flags.at_once, flags.all); });
    return {};
  }

  std::string answer(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string word = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (word == "expect") {
      observer_.expect(rest);
      return "ok";
    }
    if (word == "seen") {
      const auto times = observer_.seen(rest);
      return fmt::format("{} {}", times.size(), fmt::join(times, " "));
    }
    if (word != "state") return "what?";
    const auto count = [&](auto member) {
      return std::count_if(nodes_.begin(), nodes_.end(), member);
    };
    const auto routes = observer_.routes();
    return fmt::format("{} {} {} {} {} {}", started_.load(),
                       count([](const auto& node) { return node->synced(); }),
                       count([](const auto& node) { return node->failed(); }),
                       *std::min_element(routes.begin(), routes.end()),
                       *std::max_element(routes.begin(), routes.end()), observer_.lost() ? 1 : 0);
  }

 private:
  void start_in_turn(int at_once, bool all) {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      while (std::count_if(nodes_.begin(), nodes_.begin() + static_cast<ptrdiff_t>(i),
                           [](const auto& node) { return !node->synced() && !node->failed(); }) >=
             at_once) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
      nodes_[i]->start(access_, all);
      ++started_;
    }
  }

  kube::ClusterAccess access_;
  KernelObserver observer_;
  std::vector<std::unique_ptr<HollowNode>> nodes_;
  std::atomic<int> started_ = 0;
  std::thread starter_;
};

}  // namespace
}  // namespace caracal::bench

int main(int argc, char** argv) {
  using namespace caracal;
  std::signal(SIGPIPE, SIG_IGN);
  log::set_level("error");
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  bench::Flags flags;
  CLI::App app("Agents without pods, many in one process; for bench/convergence");
  app.add_option("--kubeconfig", flags.kubeconfig, "the API server")->required();
  app.add_option("--first", flags.first, "number of the first node")->capture_default_str();
  app.add_option("--count", flags.count, "nodes in this process")->check(CLI::PositiveNumber);
  app.add_flag("--all-collections", flags.all, "follow all collections, as the agent does");
  app.add_option("--at-once", flags.at_once, "nodes that start at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  bench::Process process;
  if (const Status started = process.start(flags); !started) {
    fmt::print(stderr, "hollow_nodes: {}\n", started.error().message);
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);)
    std::cout << process.answer(line) << std::endl;
  std::_Exit(0);  // the loops of the nodes are not stopped one by one
}
