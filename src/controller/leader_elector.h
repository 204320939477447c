// LeaderElector: makes one of several controllers the one that acts, by a Lease.
//
//   follower --(no lease, released, silent)--> leader --(no renewal in time, taken, asked to)-->
//   follower
//
// On the client's loop, as its callbacks. The fence opens before on_elected and is closed before
// on_lost; it also closes by itself when the time of the last renewal, counted from when that was
// sent, is over.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "controller/fence.h"
#include "controller/lease.h"
#include "kube/client.h"

namespace caracal::controller {

class LeaderElector {
 public:
  struct Settings {
    std::string ns = "kube-system";
    std::string name = "caracal-controller";
    std::string identity;  // unlike that of every other controller, also of a former self
    LeaseTimings timings;
  };
  struct Callbacks {
    std::function<void()> on_elected;
    std::function<void(const std::string& why)> on_lost;
  };
  // REQUIRES: check(settings.timings) is well; client and fence outlive it.
  LeaderElector(kube::Client& client, Settings settings, Callbacks callbacks, Fence& fence);

  void start();
  // Stops acting at once, gives the lease back when it is ours, so that a follower need not wait,
  // and calls `done`, also when the server does not answer. Nothing else is called back any more.
  void release(std::function<void()> done);

  bool leading() const { return leading_; }
  const std::string& holder() const { return holder_; }  // as last seen; empty: nobody, or unknown
  const std::string& error() const { return error_; }    // of the last exchange; empty: it worked
  const std::string& identity() const { return settings_.identity; }

 private:
  void look();
  void act(LeaseStep step);
  void write(kube::Request request, event::Clock::time_point sent);
  void see(json::value object);
  void see_none();
  void won(event::Clock::time_point sent);
  void lose(const std::string& why);
  void again();
  void give_back(std::function<void()> done, event::Clock::time_point until);
  kube::Request request_for(std::string method, bool named) const;

  kube::Client& client_;
  Settings settings_;
  Callbacks callbacks_;
  Fence& fence_;
  json::value object_;  // as the server has it; null: unknown or none
  LeaseSight sight_;
  std::string holder_;
  std::string error_;
  bool leading_ = false;
  bool releasing_ = false;
  kube::Call call_;
  event::Handle timer_;     // the next look
  event::Handle deadline_;  // of the renewal
};

}  // namespace caracal::controller
