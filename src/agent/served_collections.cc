#include "agent/served_collections.h"

#include "base/log.h"
#include "jsonio/json.h"

namespace caracal::agent {
namespace {

constexpr event::Duration kAgain{1'000};

std::set<std::string> wanted_versions() {
  std::set<std::string> versions;
  for (const calico::Collection& collection : calico::collections()) {
    if (!collection.always) versions.insert(collection.api_version());
  }
  return versions;
}

}  // namespace

ServedCollections::ServedCollections(kube::Client& client, event::Duration period,
                                     OnChange on_change)
    : client_(client), period_(period), on_change_(std::move(on_change)) {}

void ServedCollections::hurry() {
  if (!asking_ && known_) ask_in(kAgain);
}

void ServedCollections::ask_in(event::Duration delay) {
  timer_ = client_.loop().after(delay, [this] { ask(); });
}

void ServedCollections::ask() {
  asking_ = true;
  kube::Request request;
  request.path = "/apis";
  calls_[""] = client_.request(std::move(request), [this](Result<kube::Response> response) {
    if (response) return take_groups(response->body);
    log::warn("API groups not known; asking again", {{"error", response.error().message}});
    asking_ = false;
    ask_in(known_ ? period_ : kAgain);
  });
}

void ServedCollections::take_groups(const std::string& body) {
  std::set<std::string> present;
  const auto list = jsonio::parse(body);
  if (list) {
    for (const json::value& group : jsonio::get_array(*list, {"groups"})) {
      for (const json::value& version : jsonio::get_array(group, {"versions"}))
        present.emplace(jsonio::get_string(version, {"groupVersion"}));
    }
  }
  std::set<std::string> asked;
  for (const std::string& version : wanted_versions()) {
    if (present.contains(version)) {
      asked.insert(version);
    } else {
      by_version_.erase(version);
    }
  }
  calls_.clear();
  // All are entered before the first can answer.
  for (const std::string& version : asked) calls_[version];
  for (const std::string& version : asked) ask_version(version);
  if (asked.empty()) finish();
}

void ServedCollections::ask_version(const std::string& group_version) {
  kube::Request request;
  request.path = "/apis/" + group_version;
  request.timeout = std::chrono::milliseconds(10'000);
  calls_[group_version] =
      client_.request(std::move(request), [this, group_version](Result<kube::Response> response) {
        take_version(group_version, response);
        calls_.erase(group_version);
        if (calls_.empty()) finish();
      });
}

void ServedCollections::take_version(const std::string& group_version,
                                     const Result<kube::Response>& response) {
  if (!response) {
    if (response.error().code == Errc::kNotFound) {
      by_version_.erase(group_version);
    } else {
      log::warn("API group does not answer; what was known of it stays",
                {{"group", group_version}, {"error", response.error().message}});
    }
    return;
  }
  Served served;
  const auto list = jsonio::parse(response->body);
  if (!list) return;
  for (const json::value& resource : jsonio::get_array(*list, {"resources"})) {
    for (const calico::Collection& collection : calico::collections()) {
      if (collection.plural == jsonio::get_string(resource, {"name"}) && !collection.always &&
          collection.api_version() == group_version) {
        served.insert(&collection);
      }
    }
  }
  by_version_[group_version] = std::move(served);
}

void ServedCollections::finish() {
  Served served;
  for (const auto& [version, part] : by_version_) served.insert(part.begin(), part.end());
  asking_ = false;
  ask_in(period_);
  if (known_ && served == told_) return;
  known_ = true;
  told_ = served;
  on_change_(told_);
}

}  // namespace caracal::agent
