#include "agent/node_condition.h"

#include "agent/api_time.h"
#include "base/log.h"

namespace caracal::agent {
namespace {

// core/v1 NodeConditionType: set by cloud providers until routes are there.
constexpr std::string_view kUnavailable = "NetworkUnavailable";
constexpr std::string_view kDegraded = "PodNetworkDegraded";
// A condition is read by people; the whole list is in the agent's status.
constexpr size_t kLongestMessage = 1'024;

std::string in_short(const std::vector<std::string>& problems) {
  std::string text;
  for (const std::string& problem : problems) text += (text.empty() ? "" : "; ") + problem;
  if (text.size() > kLongestMessage) {
    size_t end = kLongestMessage - 3;
    // Never in the middle of a character of UTF-8.
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    text = text.substr(0, end) + "...";
  }
  return text;
}

}  // namespace

NodeCondition::NodeCondition(kube::Client& client, NodeConditionOptions options)
    : client_(client), options_(std::move(options)), backoff_(options_.backoff) {}

void NodeCondition::tell(bool ready, const std::vector<std::string>& problems) {
  if (ready) {
    want(kUnavailable, {"False", "CaracalIsUp", "caracal-agent serves pods on this node", {}});
  }
  if (problems.empty()) {
    want(kDegraded, {"False", "NoNetworkProblems", "the pod network is as wanted", {}});
  } else {
    want(kDegraded, {"True", "NetworkProblems", in_short(problems), {}});
  }
  look();
}

void NodeCondition::seen(std::string_view name, const json::value* node) {
  if (name != options_.node) return;
  seen_.clear();
  seen_meanwhile_ = true;
  known_ = node != nullptr;
  if (!known_) return;
  for (const json::value& one : jsonio::get_array(*node, {"status", "conditions"})) {
    seen_.insert_or_assign(std::string(jsonio::get_string(one, {"type"})),
                           Condition{std::string(jsonio::get_string(one, {"status"})),
                                     std::string(jsonio::get_string(one, {"reason"})),
                                     std::string(jsonio::get_string(one, {"message"})),
                                     std::string(jsonio::get_string(one, {"lastTransitionTime"}))});
  }
  look();
}

void NodeCondition::want(std::string_view type, Condition condition) {
  wanted_.insert_or_assign(std::string(type), std::move(condition));
}

NodeCondition::Conditions NodeCondition::missing() const {
  Conditions out;
  for (const auto& [type, wanted] : wanted_) {
    const auto there = seen_.find(type);
    if (there == seen_.end() || there->second.status != wanted.status ||
        there->second.reason != wanted.reason || there->second.message != wanted.message) {
      out.emplace(type, wanted);
    }
  }
  return out;
}

// What comes and goes within the wait is not told at all.
void NodeCondition::look() {
  if (!known_ || writing_ || timer_.active() || missing().empty()) return;
  timer_ = client_.loop().after(options_.debounce, [this] { write(); });
}

void NodeCondition::write() {
  Conditions patch = missing();
  if (!known_ || writing_ || patch.empty()) return;
  const std::string now = api_time_now();
  json::array conditions;
  for (auto& [type, condition] : patch) {
    const auto there = seen_.find(type);
    const bool same = there != seen_.end() && there->second.status == condition.status &&
                      !there->second.since.empty();
    condition.since = same ? there->second.since : now;
    conditions.push_back(json::object{{"type", type},
                                      {"status", condition.status},
                                      {"reason", condition.reason},
                                      {"message", condition.message},
                                      {"lastHeartbeatTime", now},
                                      {"lastTransitionTime", condition.since}});
  }
  kube::Request request;
  request.method = "PATCH";
  request.path = kube::resource_path("v1", "", "nodes", options_.node) + "/status";
  request.content_type = std::string(kube::kStrategicMergePatch);
  request.body =
      jsonio::to_string(json::object{{"status", json::object{{"conditions", conditions}}}});
  writing_ = true;
  seen_meanwhile_ = false;
  call_ = client_.request(std::move(request), [this, patch](const Result<kube::Response>& answer) {
    writing_ = false;
    if (answer) {
      error_.clear();
      backoff_.reset();
      for (const auto& [type, condition] : patch) {
        log::info("node condition",
                  {{"type", type}, {"status", condition.status}, {"message", condition.message}});
        // The watch tells it, too, and may have told already what came after it.
        if (!seen_meanwhile_) seen_.insert_or_assign(type, condition);
      }
      return look();
    }
    if (error_ != answer.error().message)
      log::warn("node conditions not written", {{"error", answer.error().message}});
    error_ = answer.error().message;
    timer_ = client_.loop().after(backoff_.next(), [this] { write(); });
  });
}

}  // namespace caracal::agent
