#include "agent/served_collections.h"

#include <utility>

#include "base/log.h"
#include "jsonio/json.h"

namespace caracal::agent {
namespace {

constexpr event::Duration kAgain{1'000};
// Definitions come in dozens, each with two or three events.
constexpr event::Duration kGathering{100};
constexpr std::string_view kDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
// The schemas are large, and not wanted.
constexpr std::string_view kMetadataList =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
constexpr std::string_view kMetadata =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
constexpr std::chrono::seconds kWatchTime{300};
constexpr std::chrono::seconds kWatchGrace{30};

std::set<std::string> wanted_versions() {
  std::set<std::string> versions;
  for (const calico::Collection& collection : calico::all_collections()) {
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
    for (const calico::Collection& collection : calico::all_collections()) {
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
  ask_in(std::exchange(changed_meanwhile_, false) ? kGathering : period_);
  if (known_ && served == told_) return;
  known_ = true;
  told_ = served;
  on_change_(told_);
}

// ---- The watch of definitions: that something changed, not what. ----

void ServedCollections::follow_definitions_in(event::Duration delay) {
  definitions_.cancel();
  definitions_timer_ = client_.loop().after(delay, [this] { find_definitions(); });
}

// From where to watch: a list of one says it.
void ServedCollections::find_definitions() {
  kube::Request request;
  request.path = kDefinitions;
  request.query.emplace_back("limit", "1");
  request.accept = kMetadataList;
  definitions_ = client_.request(std::move(request), [this](Result<kube::Response> response) {
    std::string version;
    if (response) {
      if (const auto list = jsonio::parse(response->body)) {
        version = jsonio::get_string(*list, {"metadata", "resourceVersion"});
      }
    }
    if (!version.empty()) return watch_definitions(version);
    log::debug("definitions of kinds are not watched; discovery is asked from time to time",
               {{"error", response ? "no resourceVersion" : response.error().message}});
    follow_definitions_in(period_);
  });
}

void ServedCollections::watch_definitions(const std::string& resource_version) {
  kube::Request request;
  request.path = kDefinitions;
  request.query.emplace_back("watch", "true");
  request.query.emplace_back("resourceVersion", resource_version);
  request.query.emplace_back("timeoutSeconds", std::to_string(kWatchTime.count()));
  request.accept = kMetadata;
  request.timeout = kWatchTime + kWatchGrace;
  kube::Client::Stream stream;
  // What was before it, or between two watches, is found by asking.
  stream.on_open = [this] { definition_changed(); };
  stream.on_chunk = [this](std::string_view) { definition_changed(); };
  stream.on_end = [this](const Status& end) { follow_definitions_in(end ? kAgain : period_); };
  definitions_ = client_.stream(std::move(request), std::move(stream));
}

void ServedCollections::definition_changed() {
  if (changed_timer_.active()) return;
  changed_timer_ = client_.loop().after(kGathering, [this] {
    if (asking_ || !known_) {
      changed_meanwhile_ = true;
    } else {
      ask();
    }
  });
}

}  // namespace caracal::agent
