#include "controller/leader_elector.h"

#include <algorithm>

#include "base/log.h"
#include "base/timestamp.h"

namespace caracal::controller {
namespace {

constexpr event::Duration kReleaseTime{5'000};  // for giving the lease back, all in all
constexpr event::Duration kReleaseRetry{20};

}  // namespace

LeaderElector::LeaderElector(kube::Client& client, Settings settings, Callbacks callbacks,
                             Fence& fence)
    : client_(client),
      settings_(std::move(settings)),
      callbacks_(std::move(callbacks)),
      fence_(fence) {}

void LeaderElector::start() { look(); }

kube::Request LeaderElector::request_for(std::string method, bool named) const {
  kube::Request request;
  request.method = std::move(method);
  request.path = kube::resource_path("coordination.k8s.io/v1", settings_.ns, "leases",
                                     named ? settings_.name : "");
  request.timeout = settings_.timings.renew;
  return request;
}

void LeaderElector::again() {
  timer_ = client_.loop().after(settings_.timings.retry, [this] { look(); });
}

// The holder knows the object from its last write; everybody else reads it.
void LeaderElector::look() {
  if (leading_ && object_.is_object()) return act(LeaseStep::kRenew);
  call_ = client_.request(request_for("GET", true), [this](Result<kube::Response> response) {
    if (!response && response.error().code != Errc::kNotFound) {
      error_ = response.error().message;
      log::warn("the lease cannot be read", {{"error", error_}});
      return again();
    }
    error_.clear();
    if (!response) {
      see_none();
    } else if (auto object = jsonio::parse(response->body)) {
      see(std::move(*object));
    } else {
      error_ = object.error().message;
      return again();
    }
    if (leading_ && holder_ != settings_.identity) {
      lose(holder_.empty() ? "somebody has taken the lease away"
                           : "the lease is " + holder_ + "'s");
    }
    act(next_step(sight_, settings_.identity, client_.loop().now()));
  });
}

void LeaderElector::see(json::value object) {
  LeaseRecord record = decode_lease(object);
  if (!sight_.record || *sight_.record != record) {
    if (!record.holder.empty() && record.holder != holder_ && record.holder != settings_.identity) {
      log::info("another controller acts", {{"holder", record.holder}});
    }
    holder_ = record.holder;
    sight_ = {std::move(record), client_.loop().now()};
  }
  object_ = std::move(object);
}

void LeaderElector::see_none() {
  sight_ = {std::nullopt, client_.loop().now()};
  object_ = nullptr;
  holder_.clear();
}

void LeaderElector::act(LeaseStep step) {
  if (step == LeaseStep::kWait) return again();
  const bool create = step == LeaseStep::kCreate;
  kube::Request request = request_for(create ? "POST" : "PUT", !create);
  request.body = jsonio::to_string(lease_object(object_, settings_.ns, settings_.name,
                                                settings_.identity, settings_.timings.duration,
                                                to_rfc3339_micro(WallClock::now())));
  write(std::move(request), client_.loop().now());
}

void LeaderElector::write(kube::Request request, event::Clock::time_point sent) {
  call_ = client_.request(std::move(request), [this, sent](Result<kube::Response> response) {
    auto object = response ? jsonio::parse(response->body) : Result<json::value>(nullptr);
    if (!response || !object) {
      // Somebody was faster, or the server is away: what is known of the object is worth nothing.
      const Error& error = response ? object.error() : response.error();
      const bool race = error.code == Errc::kConflict || error.code == Errc::kExists;
      error_ = race ? std::string() : error.message;
      if (!race) log::warn("the lease cannot be written", {{"error", error_}});
      object_ = nullptr;
      return again();
    }
    error_.clear();
    see(std::move(*object));
    won(sent);
    again();
  });
}

// What others see is never older than `sent`, so ours ends before theirs.
void LeaderElector::won(event::Clock::time_point sent) {
  const auto end = sent + settings_.timings.renew;
  const auto now = client_.loop().now();
  if (end <= now) {
    if (leading_) lose("the lease was renewed too late");
    return;
  }
  fence_.open_until(end);
  deadline_ = client_.loop().after(std::chrono::ceil<event::Duration>(end - now), [this] {
    lose("no renewal of the lease in " + std::to_string(settings_.timings.renew.count()) + " ms" +
         (error_.empty() ? "" : ": " + error_));
  });
  if (leading_) return;
  leading_ = true;
  log::info("this controller acts from now on", {{"identity", settings_.identity}});
  if (callbacks_.on_elected) callbacks_.on_elected();
}

void LeaderElector::lose(const std::string& why) {
  fence_.close();
  deadline_.reset();
  if (!leading_) return;
  leading_ = false;
  log::warn("this controller does not act any more", {{"because", why}});
  if (callbacks_.on_lost && !releasing_) callbacks_.on_lost(why);
}

void LeaderElector::release(std::function<void()> done) {
  releasing_ = true;
  timer_.reset();
  call_.cancel();
  const bool ours = leading_;
  lose("it ends");
  if (!ours) {
    client_.loop().post(std::move(done));
    return;
  }
  give_back(std::move(done), client_.loop().now() + kReleaseTime);
}

// A renewal may have been under way: what is written must be the newest. The server may still carry
// out what was cancelled here, also between the reading and the writing: then once more.
void LeaderElector::give_back(std::function<void()> done, event::Clock::time_point until) {
  kube::Request request = request_for("GET", true);
  request.timeout = std::min(request.timeout, kReleaseTime);
  call_ = client_.request(std::move(request), [this, done = std::move(done), until](
                                                  const Result<kube::Response>& response) mutable {
    const auto object = response ? jsonio::parse(response->body) : Result<json::value>(nullptr);
    if (!object || decode_lease(*object).holder != settings_.identity) return done();
    kube::Request put = request_for("PUT", true);
    put.timeout = std::min(put.timeout, kReleaseTime);
    put.body = jsonio::to_string(released_lease(*object, to_rfc3339_micro(WallClock::now())));
    call_ = client_.request(std::move(put), [this, done = std::move(done),
                                             until](const Result<kube::Response>& answer) mutable {
      if (!answer && answer.error().code == Errc::kConflict && client_.loop().now() < until) {
        timer_ = client_.loop().after(
            kReleaseRetry,
            [this, done = std::move(done), until]() mutable { give_back(std::move(done), until); });
        return;
      }
      if (!answer) {
        log::warn("the lease could not be given back; it runs out",
                  {{"error", answer.error().message}});
      }
      done();
    });
  });
}

}  // namespace caracal::controller
