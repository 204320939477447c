#include "cli/flows.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>

#include "cli/agent_status.h"
#include "cli/output.h"
#include "flowlog/record.h"
#include "kube/http.h"
#include "rpc/client.h"

namespace caracal::cli {
namespace {

constexpr std::chrono::milliseconds kAnswerTime{5'000};
constexpr int64_t kWaitMs = 20'000;

struct Options {
  ClusterOptions cluster;
  AgentOptions agents;
  std::vector<std::string> nodes;
  int last = -1;  // unset: live
  std::string pod;
  std::string policy;
  std::string verdict;
  uint32_t port = 0;
  std::string format = "text";
};

struct Source {
  std::string node;
  std::string socket;
};

flowlog::RecordFilter filter_of(const Options& options) {
  flowlog::RecordFilter out;
  if (!options.cluster.ns.empty()) out.ns = options.cluster.ns;
  if (!options.pod.empty()) out.pod = options.pod;
  if (!options.policy.empty()) out.policy = options.policy;
  if (options.port != 0) out.port = static_cast<uint16_t>(options.port);
  if (options.verdict == "denied") out.verdict = flowlog::RecordVerdict::kDenied;
  if (options.verdict == "logged") out.verdict = flowlog::RecordVerdict::kLogged;
  return out;
}

// One line a record, from several threads.
class Printer {
 public:
  Printer(const Options& options, bool several)
      : filter_(filter_of(options)),
        json_(options.format == "json"),
        several_(several),
        style_(terminal_style()) {}

  void print(const flowlog::Record& record) {
    if (!filter_.matches(record)) return;
    const std::lock_guard lock(mutex_);
    if (json_) {
      fmt::print("{}\n", jsonio::to_string(flowlog::to_json(record)));
    } else {
      flowlog::Record shown = record;
      if (!several_) shown.node.clear();
      const bool denied = record.verdict == flowlog::RecordVerdict::kDenied;
      fmt::print("{}{}{}\n", denied ? style_.red : style_.yellow, flowlog::to_text(shown),
                 style_.reset);
    }
    std::fflush(stdout);
  }
  void note(const std::string& text) {
    const std::lock_guard lock(mutex_);
    fmt::print(stderr, "{}\n", text);
  }
  bool ended() const { return std::ferror(stdout) != 0; }

 private:
  flowlog::RecordFilter filter_;
  bool json_;
  bool several_;
  Style style_;
  std::mutex mutex_;
};

Result<std::vector<flowlog::Record>> records_of(const json::value& answer) {
  std::vector<flowlog::Record> out;
  for (const json::value& one : jsonio::get_array(answer, {"records"})) {
    CARACAL_ASSIGN(flowlog::Record record, flowlog::record_from_json(one));
    out.push_back(std::move(record));
  }
  return out;
}

Result<json::value> ask(rpc::Client& client, json::object params) {
  CARACAL_ASSIGN(rpc::Reply reply, client.call("flows", std::move(params),
                                               std::chrono::milliseconds(kWaitMs) + kAnswerTime));
  if (reply.error) {
    return fail(Errc::kUnavailable,
                reply.error->details.empty()
                    ? reply.error->msg
                    : fmt::format("{}: {}", reply.error->msg, reply.error->details));
  }
  return std::move(reply.result);
}

// Follows one agent until it goes away or nobody reads any more.
Status follow(const Source& source, Printer& printer) {
  CARACAL_ASSIGN(rpc::Client client, rpc::Client::connect(source.socket));
  CARACAL_ASSIGN(const json::value begin, ask(client, {{"last", 0}}));
  int64_t next = jsonio::get_int(begin, {"next"});
  int64_t dropped = jsonio::get_int(begin, {"dropped"}) + jsonio::get_int(begin, {"lost"});
  while (!printer.ended()) {
    CARACAL_ASSIGN(const json::value answer, ask(client, {{"after", next}, {"waitMs", kWaitMs}}));
    CARACAL_ASSIGN(const auto records, records_of(answer));
    for (const flowlog::Record& record : records) printer.print(record);
    next = jsonio::get_int(answer, {"next"});
    const int64_t missed = jsonio::get_int(answer, {"missed"});
    if (missed != 0) printer.note(fmt::format("{}: {} records missed", source.node, missed));
    const int64_t now = jsonio::get_int(answer, {"dropped"}) + jsonio::get_int(answer, {"lost"});
    if (now > dropped) {
      printer.note(fmt::format("{}: {} packets without a record (too many at once)", source.node,
                               now - dropped));
    }
    dropped = now;
  }
  return {};
}

Result<std::vector<Source>> this_node(const std::string& socket) {
  CARACAL_ASSIGN(const rpc::Reply reply,
                 rpc::call_once(socket, "status", json::object(), kAnswerTime));
  return std::vector<Source>{{std::string(jsonio::get_string(reply.result, {"node"})), socket}};
}

Result<std::vector<std::string>> list_nodes(const ClusterOptions& cluster) {
  CARACAL_ASSIGN(kube::BlockingClient client, cluster.connect());
  CARACAL_ASSIGN(const json::value list, client.list(kube::resource_path("v1", "", "nodes")));
  std::vector<std::string> out;
  for (const json::value& node : jsonio::get_array(list, {"items"}))
    out.emplace_back(jsonio::get_string(node, {"metadata", "name"}));
  return out;
}

Result<std::vector<Source>> find_sources(const Options& options) {
  std::vector<std::string> nodes = options.nodes;
  // A socket alone names its agent; the API is not needed then.
  const bool one_socket =
      !options.agents.socket.empty() && options.agents.socket.find("{node}") == std::string::npos;
  if (nodes.empty() && one_socket) return this_node(options.agents.socket);
  if (nodes.empty()) {
    const auto list = list_nodes(options.cluster);
    if (!list) {
      // On a node itself its own agent can be asked even so.
      if (auto here = this_node(kNodeSocket)) return here;
      return fail(list.error());
    }
    nodes = *list;
  }
  std::vector<Source> out;
  std::string errors;
  for (const std::string& node : nodes) {
    const auto socket = find_socket(options.agents, options.cluster, node);
    if (socket) {
      out.push_back({node, *socket});
    } else {
      errors += (errors.empty() ? "" : "; ") + socket.error().message;
    }
  }
  if (out.empty()) {
    return fail(Errc::kUnavailable, nodes.empty() ? "there are no nodes" : errors);
  }
  if (!errors.empty()) fmt::print(stderr, "{}\n", errors);
  return out;
}

Result<int> show_last(const Options& options, const std::vector<Source>& sources) {
  std::vector<flowlog::Record> all;
  const flowlog::RecordFilter filter = filter_of(options);
  for (const Source& source : sources) {
    CARACAL_ASSIGN(rpc::Client client, rpc::Client::connect(source.socket));
    // Filters apply to what is shown, so all that is kept is asked for.
    CARACAL_ASSIGN(const json::value answer, ask(client, {{"last", 1'000'000}}));
    CARACAL_ASSIGN(auto records, records_of(answer));
    for (flowlog::Record& record : records) {
      if (filter.matches(record)) all.push_back(std::move(record));
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
  const size_t skip = all.size() > static_cast<size_t>(options.last)
                          ? all.size() - static_cast<size_t>(options.last)
                          : 0;
  Printer printer(options, sources.size() > 1);
  for (size_t i = skip; i < all.size(); ++i) printer.print(all[i]);
  return 0;
}

Result<int> flows(const Options& options) {
  CARACAL_ASSIGN(const std::vector<Source> sources, find_sources(options));
  if (options.last >= 0) return show_last(options, sources);
  Printer printer(options, sources.size() > 1);
  std::vector<std::thread> threads;
  std::vector<Status> outcomes(sources.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    threads.emplace_back([&, i] {
      outcomes[i] = follow(sources[i], printer);
      if (!outcomes[i])
        printer.note(fmt::format("{}: {}", sources[i].node, outcomes[i].error().message));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const bool failed =
      std::any_of(outcomes.begin(), outcomes.end(), [](const Status& outcome) { return !outcome; });
  return failed ? 1 : 0;
}

}  // namespace

void add_flows_command(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, chosen, "flows", "show denied and logged flows, and which rule decided",
      "  caracal flows                           follow all nodes that can be reached\n"
      "  caracal flows --last 20 -n shop\n"
      "  caracal flows node1 --pod shop/web --port 8080 -o json\n"
      "A record tells of the first packet of a flow at once, and once a second how many\n"
      "followed. Ctrl-C ends it.",
      [options] { return flows(*options); });
  command->add_option("nodes", options->nodes, "these nodes only")->type_name("NODE");
  command->add_option("--last", options->last, "the last N records, and end")
      ->type_name("N")
      ->check(CLI::Range(0, 1'000'000));
  command->add_option("--pod", options->pod, "either end: NAME or NAMESPACE/NAME")
      ->type_name("POD");
  command->add_option("--port", options->port, "destination port")->check(CLI::Range(1, 65535));
  command->add_option("--verdict", options->verdict, "denied or logged")
      ->check(CLI::IsMember({"denied", "logged"}));
  command->add_option("--policy", options->policy, "policies whose name holds this text")
      ->type_name("TEXT");
  command->add_option("-o,--output", options->format, "text or json (an object a line)")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  options->cluster.add_to(*command);
  command->get_option("--namespace")->description("namespace of either end");
  options->agents.add_to(*command);
}

}  // namespace caracal::cli
