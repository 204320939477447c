// BirdProcess: the BIRD of one run folder as a process: started by us, or by an agent before us.
//
// BIRD does not end with the agent: it has a session of its own and no tie to its parent, and the
// next agent finds it by its control socket. On an event loop.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "event/loop.h"

namespace caracal::bgp {

class BirdProcess {
 public:
  struct Paths {
    std::string config;  // bird.conf
    std::string socket;  // bird.ctl
    std::string output;  // what it prints before its log is open
  };
  // `ended`: it is gone; says how ("exit code 1", "killed by signal 9", "ended").
  BirdProcess(event::Loop& loop, std::vector<std::string> command, Paths paths,
              std::function<void(std::string)> ended);
  // BIRD goes on.
  ~BirdProcess() = default;

  // Takes over the one that runs, found by its control socket; where that does not take
  // connections, among all processes by its command line, so that there are never two. False: none
  // runs. Blocking but short.
  bool adopt();
  // Starts one. `recover`: it waits for its peers before it touches the kernel's routes.
  // Errors: kNotFound when the program does not exist.
  Status start(bool recover);
  void send_signal(int number);

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  bool adopted() const { return adopted_; }
  // The end of what it printed, one line; blocking but short.
  std::string last_output() const;

 private:
  Status watch(pid_t pid, bool adopted);

  event::Loop& loop_;
  std::vector<std::string> command_;
  Paths paths_;
  std::function<void(std::string)> ended_;
  pid_t pid_ = -1;
  bool adopted_ = false;
  event::Handle watch_;
};

}  // namespace caracal::bgp
