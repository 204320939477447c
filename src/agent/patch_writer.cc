#include "agent/patch_writer.h"

#include "base/log.h"

namespace caracal::agent {

PatchWriter::PatchWriter(kube::Client& client, Target target, Callbacks callbacks)
    : client_(client),
      target_(std::move(target)),
      callbacks_(std::move(callbacks)),
      backoff_(target_.backoff) {}

void PatchWriter::attempt_in(event::Duration delay) {
  if (resting()) wait(delay);
}

void PatchWriter::wait(event::Duration delay) {
  state_ = State::kWaiting;
  timer_ = client_.loop().after(delay, [this] {
    state_ = State::kTrying;
    callbacks_.attempt();
  });
}

void PatchWriter::send(const json::value& patch) {
  kube::Request request;
  request.method = "PATCH";
  request.path = target_.path;
  request.content_type = std::string(target_.type);
  request.body = jsonio::to_string(patch);
  call_ = client_.request(std::move(request), [this](const Result<kube::Response>& answer) {
    if (!answer) return failed(answer.error());
    rest();
    callbacks_.written();
  });
}

void PatchWriter::rest() {
  state_ = State::kResting;
  error_.clear();
  backoff_.reset();
}

void PatchWriter::failed(const Error& error) {
  if (error_ != error.message) {
    const bool gone = target_.may_go && error.code == Errc::kNotFound;
    (gone ? log::debug : log::warn)(target_.what + " not written", {{"error", error.message}});
  }
  error_ = error.message;
  wait(backoff_.next());
}

}  // namespace caracal::agent
