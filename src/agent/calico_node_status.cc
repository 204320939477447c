#include "agent/calico_node_status.h"

#include <linux/netlink.h>

#include <algorithm>

#include "agent/bgp_service.h"
#include "agent/options.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "bgp/bird_control.h"
#include "kube/object_reader.h"

namespace caracal::agent {
namespace {

constexpr std::array<std::string_view, 2> kVersions = {"projectcalico.org/v3",
                                                       "crd.projectcalico.org/v1"};
constexpr std::string_view kPlural = "caliconodestatuses";
constexpr int64_t kLongestPeriod = 86'400;
constexpr uint32_t kUsualPeriod = 10;
// A table of a hundred thousand routes takes BIRD a while to print.
constexpr event::Duration kBirdLimit{20'000};

std::string_view peer_type(std::string_view kind) {
  if (kind == "node-to-node mesh") return "NodeMesh";
  if (kind == "node specific") return "NodePeer";
  if (kind == "global") return "GlobalPeer";
  return "LocalWorkload";
}

}  // namespace

Result<std::optional<NodeStatusSpec>> read_node_status_spec(const json::value& object,
                                                            std::string_view node) {
  if (jsonio::get_string(object, {"spec", "node"}) != node) return std::optional<NodeStatusSpec>();
  const json::object& spec = jsonio::get_object(object, {"spec"});
  const kube::FieldPath path("spec");
  const kube::FieldPath classes = path.member("classes");
  kube::ObjectReader reader;
  NodeStatusSpec out;
  for (const auto& [text, index] : reader.texts(spec, "classes", path)) {
    if (text == "Agent") {
      out.agent = true;
    } else if (text == "BGP") {
      out.bgp = true;
    } else if (text == "Routes") {
      out.routes = true;
    } else {
      reader.invalid(classes.element(index), json::string(text),
                     "must be one of \"Agent\", \"BGP\", \"Routes\"");
    }
  }
  out.period_seconds = static_cast<uint32_t>(
      reader.integer(spec, "updatePeriodSeconds", path, 0, kLongestPeriod).value_or(kUsualPeriod));
  if (!reader.ok()) return fail(Errc::kInvalid, reader.problems_text());
  return std::optional(out);
}

json::object agent_status(const json::value& bgp) {
  const bool ready =
      jsonio::get_string(bgp, {"state"}) == "running" && jsonio::get_bool(bgp, {"configured"});
  json::object bird{{"state", ready ? "Ready" : "NotReady"}};
  // Null takes the field out of the last answer.
  const auto copy = [&](const char* to, const char* name) {
    const std::string_view text = jsonio::get_string(bgp, {name});
    bird[to] = text.empty() ? json::value(nullptr) : json::value(text);
  };
  copy("version", "version");
  copy("routerID", "routerId");
  copy("lastBootTime", "booted");
  copy("lastReconfigurationTime", "reconfigured");
  return {{"birdV4", bird}, {"birdV6", bird}};
}

json::object bgp_status(const json::value& bgp) {
  json::object out;
  for (const char* family : {"V4", "V6"}) {
    int64_t up = 0;
    json::array peers;
    for (const json::value& peer : jsonio::get_array(bgp, {"peers"})) {
      const bool v6 = jsonio::get_string(peer, {"family"}) == "IPv6";
      if (v6 != (family[1] == '6')) continue;
      if (jsonio::get_bool(peer, {"up"})) ++up;
      peers.push_back(json::object{{"peerIP", jsonio::get_string(peer, {"address"})},
                                   {"type", peer_type(jsonio::get_string(peer, {"kind"}))},
                                   {"state", jsonio::get_string(peer, {"state"})},
                                   {"since", jsonio::get_string(peer, {"since"})}});
    }
    out[std::string("numberEstablished") + family] = up;
    out[std::string("numberNotEstablished") + family] = static_cast<int64_t>(peers.size()) - up;
    out[std::string("peers") + family] = std::move(peers);
  }
  return out;
}

// From asking to the answer of the API server, one at a time for each object.
struct CalicoNodeStatus::Asked {
  std::string name;
  size_t group = 0;
  NodeStatusSpec spec;
  std::optional<PatchWriter> writer;
  json::value bgp;  // an object
  std::vector<KernelNodeRoute> kernel;
  bool shortened = false;  // told in the log
};

CalicoNodeStatus::CalicoNodeStatus(kube::Client& client, Settings settings, Sources sources)
    : client_(client), settings_(std::move(settings)), sources_(std::move(sources)) {}
CalicoNodeStatus::~CalicoNodeStatus() = default;

// A collection that is not served answers 404, and is asked for again with backoff.
void CalicoNodeStatus::start() {
  for (size_t group = 0; group < kGroups; ++group) {
    kube::ReflectorOptions options;
    options.path = kube::resource_path(kVersions.at(group), "", kPlural);
    options.backoff = settings_.backoff;
    kube::Reflector::Callbacks callbacks;
    callbacks.on_object = [this, group](const model::ObjectName& name, const json::value* object) {
      take(group, name.name, object);
    };
    callbacks.on_state = [group](const kube::ReflectorState& state) {
      if (state.connected) return;
      log::debug("CalicoNodeStatus objects cannot be read",
                 {{"group", kVersions.at(group)}, {"error", state.error}});
    };
    reflectors_.at(group) =
        std::make_unique<kube::Reflector>(client_, std::move(options), std::move(callbacks));
    reflectors_.at(group)->start();
  }
}

void CalicoNodeStatus::take(size_t group, const std::string& name, const json::value* object) {
  std::optional<NodeStatusSpec> spec;
  std::string problem;
  if (object != nullptr) {
    auto read = read_node_status_spec(*object, settings_.node);
    if (read) {
      spec = *read;
    } else {
      problem = read.error().message;
    }
  }
  const auto known = objects_.find(name);
  if (known == objects_.end() && !spec && problem.empty()) return;  // another node's
  Object& here = objects_[name];
  if (!problem.empty() && here.problems.at(group) != problem) {
    log::error("CalicoNodeStatus is not answered", {{"object", name}, {"error", problem}});
  }
  here.specs.at(group) = spec;
  here.problems.at(group) = std::move(problem);
  reconsider(name);
}

void CalicoNodeStatus::reconsider(const std::string& name) {
  const auto here = objects_.find(name);
  const auto& specs = here->second.specs;
  const auto chosen =
      std::find_if(specs.begin(), specs.end(), [](const auto& spec) { return spec.has_value(); });
  if (chosen == specs.end()) {
    asked_.erase(name);
    const auto& problems = here->second.problems;
    if (std::all_of(problems.begin(), problems.end(), [](const auto& p) { return p.empty(); }))
      objects_.erase(here);
    return;
  }
  const auto group = static_cast<size_t>(chosen - specs.begin());
  if (const auto now = asked_.find(name);
      now != asked_.end() && now->second->group == group && now->second->spec == **chosen) {
    return;  // our own answer came back, say
  }
  const auto asked = std::make_shared<Asked>();
  asked->name = name;
  asked->group = group;
  asked->spec = **chosen;
  const Whose whose = asked;
  asked->writer.emplace(
      client_,
      PatchWriter::Target{
          .what = "CalicoNodeStatus " + name,
          .path = kube::resource_path(kVersions.at(group), "", kPlural, name) + "/status",
          .type = kube::kMergePatch,
          .backoff = settings_.backoff,
          // Deleted, and its watch has not told yet; or the whole collection is.
          .may_go = true},
      PatchWriter::Callbacks{.attempt = [this, whose] { answer(whose); },
                             .written = [this, whose] { written(whose); }});
  asked_[name] = asked;
  asked->writer->attempt_in(event::Duration(0));
}

void CalicoNodeStatus::answer(const Whose& whose) {
  sources_.bgp([this, whose](json::object bgp) { take_bgp(whose, std::move(bgp)); });
}

void CalicoNodeStatus::take_bgp(const Whose& whose, json::object bgp) {
  const auto asked = whose.lock();
  if (!asked) return;
  asked->bgp = std::move(bgp);
  if (!asked->spec.routes) return write(whose, {});
  client_.loop().work(sources_.kernel_routes,
                      [this, whose](Result<std::vector<KernelNodeRoute>> routes) {
                        take_kernel_routes(whose, std::move(routes));
                      });
}

void CalicoNodeStatus::take_kernel_routes(const Whose& whose,
                                          Result<std::vector<KernelNodeRoute>> routes) {
  const auto asked = whose.lock();
  if (!asked) return;
  if (!routes) return asked->writer->failed(routes.error().within("the kernel's routes"));
  asked->kernel = std::move(*routes);
  if (jsonio::get_string(asked->bgp, {"state"}) != "running") return write(whose, {});
  sources_.bird_routes([this, whose](const Result<bgp::Reply>& reply) {
    const Result<std::vector<BirdNodeRoute>> bird =
        reply ? parse_bird_routes(*reply) : Result<std::vector<BirdNodeRoute>>(fail(reply.error()));
    if (!bird) {
      // What the kernel has is worth telling all the same.
      log::warn("BIRD's routes for a CalicoNodeStatus not read", {{"error", bird.error().message}});
      return write(whose, {});
    }
    write(whose, *bird);
  });
}

void CalicoNodeStatus::write(const Whose& whose, const std::vector<BirdNodeRoute>& bird) {
  const auto asked = whose.lock();
  if (!asked) return;
  // What is not asked for (any more) goes.
  json::object status{
      {"lastUpdated", rfc3339_now()}, {"agent", nullptr}, {"bgp", nullptr}, {"routes", nullptr}};
  if (asked->spec.agent) status["agent"] = agent_status(asked->bgp);
  if (asked->spec.bgp) status["bgp"] = bgp_status(asked->bgp);
  if (asked->spec.routes) {
    const json::array& peers = jsonio::get_array(asked->bgp, {"peers"});
    auto v4 = routes_of_family(net::Family::kIPv4, asked->kernel, bird, peers);
    auto v6 = routes_of_family(net::Family::kIPv6, asked->kernel, bird, peers);
    const size_t left_out = v4.left_out + v6.left_out;
    if (left_out > 0 && !asked->shortened) {
      log::warn("a CalicoNodeStatus cannot hold all routes",
                {{"object", asked->name}, {"limit", kMostRoutes}, {"left out", left_out}});
    }
    asked->shortened = left_out > 0;
    status["routes"] =
        json::object{{"routesV4", std::move(v4.routes)}, {"routesV6", std::move(v6.routes)}};
    asked->kernel.clear();
  }
  asked->writer->send({{"status", std::move(status)}});
}

void CalicoNodeStatus::written(const Whose& whose) {
  const auto asked = whose.lock();
  if (asked && asked->spec.period_seconds > 0)
    asked->writer->attempt_in(settings_.second * asked->spec.period_seconds);
}

CalicoNodeStatus::Sources node_status_sources(event::Loop& loop, BgpService& bgp,
                                              const Options& options) {
  const auto control = std::make_shared<bgp::BirdControl>(loop, options.run_dir + "/bird/bird.ctl");
  return {.bgp = [&bgp](std::function<void(json::object)> done) { bgp.status(std::move(done)); },
          .kernel_routes = []() -> Result<std::vector<KernelNodeRoute>> {
            CARACAL_ASSIGN(netlink::Socket socket, netlink::Socket::open(NETLINK_ROUTE));
            return list_kernel_routes(socket);
          },
          .bird_routes =
              [control](std::function<void(Result<bgp::Reply>)> done) {
                control->request("show route", std::move(done), kBirdLimit);
              }};
}

}  // namespace caracal::agent
