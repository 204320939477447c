// Releaser: carries out what Collector found, and what an operator asks to be freed, by
// compare-and-swap: an address that has been given out again meanwhile stays taken.
//
// On the loop of its datastore. One write a block, whatever the number of addresses in it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ipam/collector.h"
#include "ipam/datastore.h"

namespace caracal::ipam {

struct ReleaserOptions {
  int parallel = 8;   // objects worked on at a time
  int attempts = 10;  // on conflict
  uint32_t cooldown_seconds = 0;
  std::function<Time()> now;  // empty: the system's clock
};

struct ReleaseReport {
  std::vector<Leak> released;
  // Leaks that were none any more when it came to writing: taken by somebody else, free already,
  // or the re-check said so.
  std::vector<Leak> spared;
  uint32_t blocks_returned = 0;
  uint32_t affinities_repaired = 0;
  uint32_t handles_removed = 0;
  uint32_t writes = 0;
  std::vector<std::string> errors;  // what could not be done; it is found again at the next look
};

class Releaser {
 public:
  // Asked right before an address is freed: is it still left over? Empty: yes.
  using Recheck = std::function<bool(const Leak&)>;
  using OnDone = std::function<void(ReleaseReport)>;

  // `datastore` must outlive it.
  explicit Releaser(Datastore& datastore, ReleaserOptions options = {});
  ~Releaser();  // no callback after this; what is under way may still happen
  Releaser(const Releaser&) = delete;
  Releaser& operator=(const Releaser&) = delete;

  void set_cooldown(uint32_t seconds);
  void carry_out(CollectionPlan plan, Recheck recheck, OnDone done);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// A plan that frees these addresses as the world shows them, for `caracal ipam release --ip`.
// Errors: kNotFound names an address that is not taken; kInvalid one that is in no block.
Result<CollectionPlan> plan_release(const AddressWorld& world,
                                    const std::vector<net::IpAddr>& addresses);

}  // namespace caracal::ipam
