#include "lab/node_reporter.h"

#include "base/log.h"
#include "kube/http.h"
#include "lab/node_object.h"
#include "lab/pod_status.h"
#include "rpc/client.h"

namespace caracal::lab {
namespace {

constexpr std::chrono::milliseconds kLook{250};
constexpr std::chrono::seconds kHeartbeat{10};
constexpr std::chrono::milliseconds kAgentTime{2'000};
// BIRD is asked for it, too.
constexpr std::chrono::milliseconds kStatusTime{8'000};

Status renew_lease(kube::BlockingClient& client, const std::string& node) {
  const json::value lease = make_lease(node, now_rfc3339_micro());
  const std::string path =
      kube::resource_path("coordination.k8s.io/v1", "kube-node-lease", "leases");
  auto renewed = client.patch(path + "/" + node, kube::kMergePatch, {{"spec", lease.at("spec")}});
  if (!renewed && renewed.error().code == Errc::kNotFound) renewed = client.create(path, lease);
  if (!renewed) return fail(renewed.error().within("lease of node " + node));
  return {};
}

Status write_node(kube::BlockingClient& client, const Plan& plan, size_t index, bool ready,
                  const std::string& message) {
  const std::string path = kube::resource_path("v1", "", "nodes", plan.topology.nodes[index].name);
  CARACAL_ASSIGN(const json::value old, client.get(path));
  const json::value* status = jsonio::get(old, {"status"});
  const json::value patch{
      {"status", make_node_status(plan, index, ready, message,
                                  status == nullptr ? json::value() : *status, now_rfc3339())}};
  CARACAL_TRY(client.patch(path + "/status", kube::kMergePatch, patch));
  return renew_lease(client, plan.topology.nodes[index].name);
}

}  // namespace

Status ask_agent(const std::string& socket) {
  CARACAL_ASSIGN(const rpc::Reply reply,
                 rpc::call_once(socket, "health", json::object(), kAgentTime));
  if (reply.error) return fail(Errc::kUnavailable, reply.error->msg);
  if (jsonio::get_bool(reply.result, {"ready"}, true)) return {};
  const std::string_view why =
      jsonio::get_string(reply.result, {"reason"}, "the agent is not ready");
  return fail(Errc::kUnavailable, std::string(why));
}

Result<json::value> agent_status(const std::string& socket) {
  CARACAL_ASSIGN(rpc::Reply reply, rpc::call_once(socket, "status", json::object(), kStatusTime));
  if (reply.error) return fail(Errc::kUnavailable, reply.error->msg);
  return json::value(std::move(reply.result));
}

NodeReporter::NodeReporter(event::Loop& loop, ClientPool& clients, const Plan& plan,
                           const Paths& paths)
    : loop_(loop),
      clients_(clients),
      plan_(plan),
      paths_(paths),
      nodes_(plan.topology.nodes.size()) {}

void NodeReporter::start() {
  look();
  timer_ = loop_.every(kLook, [this] { look(); });
}

void NodeReporter::look() {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].busy) look_at(i);
  }
}

void NodeReporter::look_at(size_t index) {
  struct Seen {
    bool ready = false;
    std::string message;
    bool written = false;
  };
  Node& node = nodes_[index];
  const bool due = std::chrono::steady_clock::now() - node.written > kHeartbeat;
  node.busy = true;
  loop_.work(
      [this, index, due, was_ready = node.ready, was_message = node.message]() -> Seen {
        const std::string& name = plan_.topology.nodes[index].name;
        const Status answer = ask_agent(paths_.node_socket(name));
        Seen seen{answer.has_value(), answer ? "" : answer.error().message};
        if (!due && seen.ready == was_ready && seen.message == was_message) return seen;
        const Status written = clients_.with([&](kube::BlockingClient& client) {
          return write_node(client, plan_, index, seen.ready, seen.message);
        });
        if (!written)
          log::warn("node not reported", {{"node", name}, {"error", written.error().message}});
        seen.written = written.has_value();
        return seen;
      },
      [this, index](Seen seen) {
        Node& n = nodes_[index];
        n.busy = false;
        if (!seen.written) return;
        n.ready = seen.ready;
        n.message = seen.message;
        n.written = std::chrono::steady_clock::now();
      });
}

}  // namespace caracal::lab
