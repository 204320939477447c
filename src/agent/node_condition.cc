#include "agent/node_condition.h"

#include "base/log.h"
#include "base/timestamp.h"

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
    : options_(std::move(options)),
      writer_(client,
              {.what = "node conditions",
               .path = kube::resource_path("v1", "", "nodes", options_.node) + "/status",
               .type = kube::kStrategicMergePatch,
               .backoff = options_.backoff},
              {.attempt = [this] { attempt(); }, .written = [this] { written(); }}) {}

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
  seen_since_ = true;
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
  if (known_ && !missing().empty()) writer_.attempt_in(options_.debounce);
}

void NodeCondition::attempt() {
  sent_ = missing();
  if (!known_ || sent_.empty()) return writer_.rest();
  const std::string now = rfc3339_now();
  json::array conditions;
  for (auto& [type, condition] : sent_) {
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
  seen_since_ = false;
  writer_.send({{"status", json::object{{"conditions", std::move(conditions)}}}});
}

void NodeCondition::written() {
  for (const auto& [type, condition] : sent_) {
    log::info("node condition",
              {{"type", type}, {"status", condition.status}, {"message", condition.message}});
    // The watch tells it, too, and may have told already what came after it.
    if (!seen_since_) seen_.insert_or_assign(type, condition);
  }
  look();
}

}  // namespace caracal::agent
