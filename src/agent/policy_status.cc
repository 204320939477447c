#include "agent/policy_status.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/sha1.h"
#include "base/timestamp.h"

namespace caracal::agent {
namespace {

constexpr std::string_view kComponent = "caracal";
// Of Event.message in the API.
constexpr size_t kLongestMessage = 1'024;

// A name of our own: other implementations may write theirs beside it.
constexpr std::string_view kCondition = "caracal.io/Enforced";

bool has_status(const calico::Collection& collection) {
  return collection.kind == "Tier" || collection.group == "policy.networking.k8s.io";
}

// Kinds that are written by people to say policy; what is wrong with a pod is its kubelet's matter.
bool reported(const calico::Collection& collection) {
  return !collection.always || collection.kind == "NetworkPolicy";
}

std::string text_of(const std::vector<calico::Finding>& findings) {
  std::string text;
  for (const calico::Finding& finding : findings) {
    text += (text.empty() ? "" : "; ") + finding.text;
  }
  if (text.size() > kLongestMessage) text = text.substr(0, kLongestMessage - 3) + "...";
  return text;
}

bool any_invalid(const std::vector<calico::Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const calico::Finding& finding) { return finding.invalid; });
}

std::string object_path(const calico::Collection& collection, const json::value& object) {
  return kube::resource_path(collection.api_version(),
                             jsonio::get_string(object, {"metadata", "namespace"}),
                             collection.plural, jsonio::get_string(object, {"metadata", "name"}));
}

std::optional<kube::Request> condition_request(const calico::Collection& collection,
                                               const std::vector<calico::Finding>& findings,
                                               const json::value& object, std::string_view now) {
  const bool invalid = any_invalid(findings);
  const std::string_view status = findings.empty() ? "True" : "False";
  const std::string_view reason = invalid             ? "Invalid"
                                  : !findings.empty() ? "PartlyEnforced"
                                                      : "Enforced";
  std::string message = text_of(findings);
  if (message.empty()) message = "enforced as written";
  json::array conditions;
  std::string since(now);
  for (const json::value& condition : jsonio::get_array(object, {"status", "conditions"})) {
    if (jsonio::get_string(condition, {"type"}) != kCondition) {
      conditions.push_back(condition);
      continue;
    }
    const bool same_status = jsonio::get_string(condition, {"status"}) == status;
    if (same_status && jsonio::get_string(condition, {"reason"}) == reason &&
        jsonio::get_string(condition, {"message"}) == message) {
      return std::nullopt;
    }
    if (same_status) since = jsonio::get_string(condition, {"lastTransitionTime"}, now);
  }
  json::object mine{{"type", kCondition},
                    {"status", status},
                    {"reason", reason},
                    {"message", message},
                    {"lastTransitionTime", since}};
  if (const int64_t generation = jsonio::get_int(object, {"metadata", "generation"})) {
    mine["observedGeneration"] = generation;
  }
  conditions.emplace_back(std::move(mine));
  kube::Request request;
  request.method = "PATCH";
  request.path = object_path(collection, object) + "/status";
  request.content_type = std::string(kube::kMergePatch);
  request.body = jsonio::to_string(json::object{
      {"metadata", json::object{{"resourceVersion",
                                 jsonio::get_string(object, {"metadata", "resourceVersion"})}}},
      {"status", json::object{{"conditions", std::move(conditions)}}}});
  return request;
}

// core/v1 Event. Its name tells object and text, so that the second who reports them is refused.
kube::Request event_request(const calico::Collection& collection,
                            const std::vector<calico::Finding>& findings, const json::value& object,
                            std::string_view node, std::string_view now) {
  const std::string_view name = jsonio::get_string(object, {"metadata", "name"});
  const std::string_view ns = jsonio::get_string(object, {"metadata", "namespace"}, "default");
  const std::string text = text_of(findings);
  const std::string digest =
      sha1_hex(fmt::format("{} {} {} {}", collection.api_version(), collection.kind,
                           jsonio::get_string(object, {"metadata", "uid"}), text));
  json::object involved{
      {"apiVersion", collection.api_version()},
      {"kind", collection.kind},
      {"name", name},
      {"uid", jsonio::get_string(object, {"metadata", "uid"})},
      {"resourceVersion", jsonio::get_string(object, {"metadata", "resourceVersion"})}};
  if (collection.namespaced) involved["namespace"] = ns;
  std::string prefix(name.substr(0, 200));
  while (!prefix.empty() && (prefix.back() == '.' || prefix.back() == '-')) prefix.pop_back();
  kube::Request request;
  request.method = "POST";
  request.path = kube::resource_path("v1", ns, "events");
  request.body = jsonio::to_string(json::object{
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata", json::object{{"name", fmt::format("{}.{}", prefix, digest.substr(0, 16))},
                                {"namespace", ns}}},
      {"involvedObject", std::move(involved)},
      {"type", "Warning"},
      {"reason", any_invalid(findings) ? "Invalid" : "NotEnforced"},
      {"message", text},
      {"source", json::object{{"component", kComponent}, {"host", node}}},
      {"firstTimestamp", now},
      {"lastTimestamp", now},
      {"count", 1},
      {"reportingComponent", kComponent},
      {"reportingInstance", node}});
  return request;
}

}  // namespace

std::optional<kube::Request> status_request(const calico::Collection& collection,
                                            const std::vector<calico::Finding>& findings,
                                            const json::value& object, std::string_view node,
                                            std::string_view now) {
  if (!reported(collection)) return std::nullopt;
  if (has_status(collection)) {
    return condition_request(collection, findings, object, now);
  }
  if (findings.empty()) return std::nullopt;
  return event_request(collection, findings, object, node, now);
}

PolicyStatus::PolicyStatus(kube::Client& client, PolicyStatusOptions options,
                           telemetry::Metrics& metrics)
    : client_(client),
      options_(std::move(options)),
      written_(metrics.counter("caracal_policy_status_total",
                               "Conditions and events written about policy objects",
                               "result=\"written\"")),
      dropped_(metrics.counter("caracal_policy_status_total",
                               "Conditions and events written about policy objects",
                               "result=\"dropped\"")) {}

void PolicyStatus::note(const calico::Collection& collection, const model::ObjectName& name,
                        const std::vector<calico::Finding>& findings, const json::value* object) {
  if (!reported(collection)) return;
  const Key key{&collection, name};
  auto request = object == nullptr
                     ? std::nullopt
                     : status_request(collection, findings, *object, options_.node, rfc3339_now());
  if (!request) {
    pending_.erase(key);
    return;
  }
  if (!pending_.contains(key) && pending_.size() >= options_.most_pending) {
    dropped_.add();
    return;
  }
  const auto wait =
      std::chrono::duration_cast<event::Duration>(options_.longest_wait * options_.random());
  pending_[key] = {std::move(*request), client_.loop().now() + wait};
  schedule();
}

void PolicyStatus::schedule() {
  if (timer_.active() || call_.active() || pending_.empty()) return;
  timer_ = client_.loop().after(options_.interval, [this] { send_next(); });
}

void PolicyStatus::send_next() {
  const auto now = client_.loop().now();
  const auto due = std::find_if(pending_.begin(), pending_.end(),
                                [now](const auto& entry) { return entry.second.due <= now; });
  if (due == pending_.end()) return schedule();
  const std::string object =
      std::string(due->first.collection->kind) + " " + due->first.name.to_string();
  kube::Request request = std::move(due->second.request);
  pending_.erase(due);
  call_ = client_.request(std::move(request), [this, object](Result<kube::Response> response) {
    // Somebody else was faster, or the object has changed: its next event asks again.
    const bool done = response || response.error().code == Errc::kExists ||
                      response.error().code == Errc::kConflict ||
                      response.error().code == Errc::kNotFound;
    if (response) written_.add();
    if (!done) {
      dropped_.add();
      log::warn("status of a policy object not written",
                {{"object", object}, {"error", response.error().message}});
    }
    call_ = {};
    schedule();
  });
}

}  // namespace caracal::agent
