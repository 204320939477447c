// PatchWriter: brings what one object of the API is to say into it: one patch at a time, and again
// with backoff until the server has taken it.
//
// For those who tell of this node (NodeAnnotations, NodeCondition, CalicoNodeStatus); on their
// loop. They know what is to be said and compare it with what is there; this knows when to try. An
// attempt begins with Callbacks::attempt and ends with send(), rest() or failed(), at once or
// later. Ending the writer ends an attempt that is under way, whose callbacks then do not come.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "event/backoff.h"
#include "event/loop.h"
#include "jsonio/json.h"
#include "kube/client.h"

namespace caracal::agent {

class PatchWriter {
 public:
  struct Target {
    std::string what;       // for the log: "node annotations"
    std::string path;       // of the object, or its subresource
    std::string_view type;  // of the patches: kube::kMergePatch, ...
    event::BackoffOptions backoff;
    bool may_go = false;  // somebody may delete the object at any time: kNotFound is no warning
  };
  struct Callbacks {
    std::function<void()> attempt;  // look again what is to be said
    std::function<void()> written;  // the server has what send() was given; the writer rests
  };

  PatchWriter(kube::Client& client, Target target, Callbacks callbacks);
  PatchWriter(const PatchWriter&) = delete;
  PatchWriter& operator=(const PatchWriter&) = delete;

  // The next attempt begins after this time, unless one waits or is under way already.
  void attempt_in(event::Duration delay);

  // The ends of an attempt. REQUIRES: trying().
  void send(const json::value& patch);
  void rest();                      // there is nothing to be said
  void failed(const Error& error);  // what is to be said cannot be told now

  bool resting() const { return state_ == State::kResting; }
  bool trying() const { return state_ == State::kTrying; }
  // Why the last attempt failed; empty: it did not.
  const std::string& error() const { return error_; }

 private:
  enum class State { kResting, kWaiting, kTrying };
  void wait(event::Duration delay);

  kube::Client& client_;
  Target target_;
  Callbacks callbacks_;
  State state_ = State::kResting;
  std::string error_;
  event::Backoff backoff_;
  event::Handle timer_;
  kube::Call call_;
};

}  // namespace caracal::agent
