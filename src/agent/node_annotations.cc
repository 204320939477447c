#include "agent/node_annotations.h"

#include "base/log.h"
#include "jsonio/json.h"

namespace caracal::agent {

NodeAnnotations::NodeAnnotations(kube::Client& client, std::string node)
    : client_(client),
      node_(std::move(node)),
      backoff_({.first = event::Duration(500), .longest = event::Duration(30'000)}) {}

void NodeAnnotations::want(std::string_view key, std::optional<std::string> value) {
  const auto found = wanted_.find(key);
  if (found != wanted_.end() && found->second == value) return;
  wanted_.insert_or_assign(std::string(key), std::move(value));
  look();
}

void NodeAnnotations::seen(const model::Labels& annotations) {
  seen_ = annotations;
  seen_meanwhile_ = true;
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

// Once a turn: several keys go out together.
void NodeAnnotations::look() {
  if (scheduled_ || !known_ || writing_ || retry_.active() || missing().empty()) return;
  scheduled_ = true;
  client_.loop().post([this] {
    scheduled_ = false;
    write();
  });
}

void NodeAnnotations::write() {
  const Wanted patch = missing();
  if (patch.empty() || writing_) return;
  json::object annotations;
  for (const auto& [key, value] : patch) {
    annotations[key] = value ? json::value(*value) : json::value(nullptr);
  }
  kube::Request request;
  request.method = "PATCH";
  request.path = kube::resource_path("v1", "", "nodes", node_);
  request.content_type = std::string(kube::kMergePatch);
  request.body =
      jsonio::to_string(json::object{{"metadata", json::object{{"annotations", annotations}}}});
  writing_ = true;
  seen_meanwhile_ = false;
  call_ = client_.request(std::move(request), [this, patch](const Result<kube::Response>& answer) {
    writing_ = false;
    if (answer) {
      error_.clear();
      backoff_.reset();
      for (const auto& [key, value] : patch) {
        log::info("node annotation", {{"key", key}, {"value", value.value_or("(none)")}});
        // The watch tells it again; what it has told already is newer than this answer may be.
        if (seen_meanwhile_) continue;
        if (value) {
          seen_[key] = *value;
        } else {
          seen_.erase(key);
        }
      }
      return look();
    }
    if (error_ != answer.error().message)
      log::warn("node annotations not written", {{"error", answer.error().message}});
    error_ = answer.error().message;
    retry_ = client_.loop().after(backoff_.next(), [this] {
      retry_.reset();
      look();
    });
  });
}

}  // namespace caracal::agent
