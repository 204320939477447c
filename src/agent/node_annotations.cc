#include "agent/node_annotations.h"

#include "base/log.h"

namespace caracal::agent {

NodeAnnotations::NodeAnnotations(kube::Client& client, const std::string& node)
    : writer_(client,
              {.what = "node annotations",
               .path = kube::resource_path("v1", "", "nodes", node),
               .type = kube::kMergePatch,
               .backoff = {.first = event::Duration(500), .longest = event::Duration(30'000)}},
              {.attempt = [this] { attempt(); }, .written = [this] { written(); }}) {}

void NodeAnnotations::want(std::string_view key, std::optional<std::string> value) {
  const auto found = wanted_.find(key);
  if (found != wanted_.end() && found->second == value) return;
  wanted_.insert_or_assign(std::string(key), std::move(value));
  look();
}

void NodeAnnotations::seen(const model::Labels& annotations) {
  seen_ = annotations;
  seen_since_ = true;
  known_ = true;
  look();
}

NodeAnnotations::Wanted NodeAnnotations::missing() const {
  Wanted out;
  for (const auto& [key, value] : wanted_) {
    const auto there = seen_.find(key);
    const bool right =
        value ? there != seen_.end() && there->second == *value : there == seen_.end();
    if (!right) out.emplace(key, value);
  }
  return out;
}

// In the next turn of the loop: several keys go out together.
void NodeAnnotations::look() {
  if (known_ && !missing().empty()) writer_.attempt_in(event::Duration(0));
}

void NodeAnnotations::attempt() {
  sent_ = missing();
  if (sent_.empty()) return writer_.rest();
  json::object annotations;
  for (const auto& [key, value] : sent_)
    annotations[key] = value ? json::value(*value) : json::value(nullptr);
  seen_since_ = false;
  writer_.send({{"metadata", json::object{{"annotations", std::move(annotations)}}}});
}

void NodeAnnotations::written() {
  for (const auto& [key, value] : sent_) {
    log::info("node annotation", {{"key", key}, {"value", value.value_or("(none)")}});
    // The watch tells it again; what it has told already is newer than this answer may be.
    if (seen_since_) continue;
    if (value) {
      seen_[key] = *value;
    } else {
      seen_.erase(key);
    }
  }
  look();
}

}  // namespace caracal::agent
