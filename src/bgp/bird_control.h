// BirdControl: questions to a running BIRD over its control socket, answered on an event loop; and
// ask_bird(), the same for tools that may wait.
//
// Each request has a connection of its own: a connection holds no state worth keeping, and one that
// is closed when its answer is there cannot go stale when BIRD is replaced. Requests are worked off
// one after another (BIRD queues few connections). Everything on the loop's thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "bgp/bird_reply.h"
#include "event/loop.h"

namespace caracal::bgp {

class BirdControl {
 public:
  // Errors: kUnavailable when nobody listens or the connection breaks, kTimeout, kInvalid when what
  // answers is not BIRD. A reply that says "no" is a Reply, not an error.
  using Done = std::function<void(Result<Reply>)>;

  BirdControl(event::Loop& loop, std::string socket_path);
  ~BirdControl();  // open requests are forgotten, their callbacks do not run
  BirdControl(const BirdControl&) = delete;
  BirdControl& operator=(const BirdControl&) = delete;

  // One line, such as "show status".
  void request(std::string command, Done done, event::Duration timeout = event::Duration(5000));

 private:
  class Exchange;
  struct Waiting {
    std::string command;
    Done done;
    event::Duration timeout;
  };
  void start_next();
  void finish(Result<Reply> result);

  event::Loop& loop_;
  std::string path_;
  std::deque<Waiting> waiting_;
  std::unique_ptr<Exchange> running_;
  event::Handle timer_;  // a failure that is told later
};

// The same errors. Blocking.
Result<Reply> ask_bird(const std::string& socket_path, const std::string& command,
                       std::chrono::milliseconds timeout = std::chrono::milliseconds(5000));

// The process that listens on the socket: the one BIRD that has this control socket. Errors:
// kUnavailable when nobody does.
Result<pid_t> bird_process(const std::string& socket_path);

}  // namespace caracal::bgp
