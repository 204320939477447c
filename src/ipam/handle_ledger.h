// HandleLedger: keeps IPAMHandle objects true: how many addresses a handle has in which block.
//
// Fed by AddressClaims and Releaser, on their loop. Changes of one handle go one after the other,
// by compare-and-swap; what gathers while one is under way goes out together. A handle with nothing
// left is deleted; one that does not exist is not missed when its count goes down.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "event/backoff.h"
#include "ipam/datastore.h"
#include "ipam/schedule.h"
#include "net/cidr.h"

namespace caracal::ipam {

class HandleLedger {
 public:
  using OnDone = std::function<void(Status)>;

  HandleLedger(Schedule& schedule, Datastore& datastore, event::BackoffOptions backoff,
               event::Random random);
  ~HandleLedger();  // no callback after this

  // `change` addresses more (or fewer) in the block. Errors: those of the datastore that trying
  // again does not help; while it does not answer, it is tried on.
  void count(const std::string& handle_id, const net::Cidr& block, int change, OnDone done);
  uint64_t writes() const;
  uint64_t reads() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace caracal::ipam
