#include "controller/live_check.h"

#include "kube/decode.h"

namespace caracal::controller {
namespace {

constexpr size_t kAtOnce = 8;

}  // namespace

void LiveCheck::run(const ipam::CollectionPlan& plan,
                    std::set<std::string, std::less<>> known_nodes, Done done) {
  std::set<model::ObjectName> names;
  const auto add_node = [&](const std::string& node) {
    if (!node.empty()) names.insert({"", node});
  };
  for (const ipam::Leak& leak : plan.leaks) {
    add_node(leak.node);
    if (!leak.pod.name.empty()) names.insert(leak.pod);
  }
  for (const ipam::BlockReturn& block : plan.blocks) {
    if (block.owner.kind == ipam::Owner::Kind::kHost) add_node(block.owner.name);
  }
  questions_.clear();
  for (const model::ObjectName& name : names) questions_.push_back({name});
  world_ = {};
  world_.nodes = std::move(known_nodes);
  error_.clear();
  done_ = std::move(done);
  client_.loop().post([this] { pump(); });
}

void LiveCheck::pump() {
  std::erase_if(calls_, [](const kube::Call& call) { return !call.active(); });
  while (!questions_.empty() && error_.empty() && under_way_ < kAtOnce) {
    Question question = std::move(questions_.front());
    questions_.pop_front();
    ++under_way_;
    kube::Request request;
    const bool node = question.name.ns.empty();
    request.path =
        kube::resource_path("v1", question.name.ns, node ? "nodes" : "pods", question.name.name);
    calls_.push_back(client_.request(
        std::move(request),
        [this, question = std::move(question)](const Result<kube::Response>& response) {
          take(question, response);
          --under_way_;
          pump();
        }));
  }
  if (under_way_ > 0 || !done_) return;
  Done done = std::move(done_);
  done_ = nullptr;
  if (!error_.empty()) return done(fail(code_, error_));
  done(std::move(world_));
}

void LiveCheck::take(const Question& question, const Result<kube::Response>& response) {
  const bool node = question.name.ns.empty();
  const auto failed = [this](const Error& error) {
    if (error_.empty()) error_ = error.message;
    code_ = error.code;
  };
  if (!response) {
    if (response.error().code != Errc::kNotFound) return failed(response.error());
    if (node) world_.nodes.erase(question.name.name);
    return;
  }
  if (node) {
    world_.nodes.insert(question.name.name);
    return;
  }
  const auto object = jsonio::parse(response->body);
  if (!object) return failed(object.error());
  const auto pod = kube::decode_pod(*object);
  // One that cannot be read may have any address.
  if (!pod) return failed(pod.error());
  world_.pods[question.name] = {pod->node, pod->addresses, pod->finished, pod->host_network};
}

}  // namespace caracal::controller
