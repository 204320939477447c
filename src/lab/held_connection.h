// HeldConnection: one TCP connection to a pod that is used all the time, to see whether something
// that is done meanwhile disturbs it. Sends a small HTTP request every few milliseconds and waits
// for its answer, on a thread of its own that ends with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "lab/probe.h"

namespace caracal::lab {

class HeldConnection {
 public:
  struct Outcome {
    uint64_t requests = 0;
    uint64_t answers = 0;
    uint64_t retransmissions = 0;          // of our side, by TCP_INFO: a packet was lost
    std::chrono::microseconds longest{0};  // from a request to its answer
    std::string error;                     // why the connection ended; empty: it did not
    bool cut = false;  // it ended because nothing came back any more: no reset, no ICMP

    bool undisturbed() const {
      return error.empty() && answers > 0 && requests == answers && retransmissions == 0;
    }
  };

  // Errors: the connection does not come about within two seconds.
  static Result<std::unique_ptr<HeldConnection>> open(const Probe& probe);
  ~HeldConnection();
  // Ends it, after the answer that is awaited. `grace`: how long it may go on before, if it does
  // not end by itself.
  Outcome finish(std::chrono::milliseconds grace = std::chrono::milliseconds(0));

 private:
  struct Impl;
  explicit HeldConnection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace caracal::lab
