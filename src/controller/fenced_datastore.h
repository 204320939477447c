// FencedDatastore: a Datastore whose writes go through only while the controller acts. Reads always
// do.
#pragma once

#include <memory>

#include "controller/fence.h"
#include "event/loop.h"
#include "ipam/datastore.h"

namespace caracal::controller {

class FencedDatastore final : public ipam::Datastore {
 public:
  // All of them outlive it.
  FencedDatastore(ipam::Datastore& inner, const Fence& fence, event::Loop& loop)
      : inner_(inner), fence_(fence), loop_(loop) {}

  void get(ipam::Kind kind, std::string name, OnObject done) override {
    inner_.get(kind, std::move(name), std::move(done));
  }
  void list(ipam::Kind kind, std::string label_selector, OnList done) override {
    inner_.list(kind, std::move(label_selector), std::move(done));
  }
  void create(ipam::Kind kind, json::value object, OnObject done) override {
    if (!fence_.is_open()) return refuse(std::move(done));
    inner_.create(kind, std::move(object), std::move(done));
  }
  void update(ipam::Kind kind, json::value object, OnObject done) override {
    if (!fence_.is_open()) return refuse(std::move(done));
    inner_.update(kind, std::move(object), std::move(done));
  }
  void remove(ipam::Kind kind, std::string name, ipam::Precondition precondition,
              OnDone done) override {
    if (!fence_.is_open()) return refuse(std::move(done));
    inner_.remove(kind, std::move(name), std::move(precondition), std::move(done));
  }

 private:
  template <typename Done>
  void refuse(Done done) {
    // kPermission: nobody tries that again.
    loop_.post([done = std::move(done), alive = std::weak_ptr<int>(alive_)] {
      if (!alive.expired())
        done(fail(Errc::kPermission, "this controller does not act any more: it lost the lease"));
    });
  }

  ipam::Datastore& inner_;
  const Fence& fence_;
  event::Loop& loop_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace caracal::controller
