#include "controller/served_kinds.h"

#include "base/log.h"
#include "controller/object_table.h"

namespace caracal::controller {
namespace {

constexpr event::Duration kAgain{1'000};

}  // namespace

ServedKinds::ServedKinds(kube::Client& client, event::Duration period, OnChange on_change)
    : client_(client), period_(period), on_change_(std::move(on_change)) {}

void ServedKinds::hurry() {
  if (under_way_ == 0 && known_) timer_ = client_.loop().after(kAgain, [this] { ask(); });
}

void ServedKinds::ask() {
  under_way_ = 2;
  error_.clear();
  for (const std::string_view group : {kShownGroup, kStoredGroup}) {
    kube::Request request;
    request.path = "/apis/" + std::string(group);
    request.timeout = std::chrono::milliseconds(10'000);
    calls_[std::string(group)] =
        client_.request(std::move(request),
                        [this, group = std::string(group)](const Result<kube::Response>& response) {
                          take(group, response);
                          if (--under_way_ == 0) finish();
                        });
  }
}

void ServedKinds::take(const std::string& group_version, const Result<kube::Response>& response) {
  Served served;
  if (!response) {
    if (response.error().code == Errc::kNotFound) {
      by_group_[group_version] = {};
    } else {
      error_ = response.error().message;
      log::warn("API group does not answer; what was known of it stays",
                {{"group", group_version}, {"error", error_}});
    }
    return;
  }
  const auto list = jsonio::parse(response->body);
  if (!list) {
    error_ = list.error().message;
    return;
  }
  for (const json::value& resource : jsonio::get_array(*list, {"resources"})) {
    const std::string_view plural = jsonio::get_string(resource, {"name"});
    if (plural.find('/') == std::string_view::npos) served.emplace(group_version, plural);
  }
  by_group_[group_version] = std::move(served);
}

void ServedKinds::finish() {
  const bool complete = by_group_.size() == 2;
  timer_ = client_.loop().after(complete && error_.empty() ? period_ : kAgain, [this] { ask(); });
  if (!complete) return;
  Served served;
  for (const auto& [group, part] : by_group_) served.insert(part.begin(), part.end());
  if (known_ && served == told_) return;
  known_ = true;
  told_ = std::move(served);
  on_change_(told_);
}

}  // namespace caracal::controller
