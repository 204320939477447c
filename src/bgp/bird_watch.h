// BirdWatch: asks a running BIRD something every few seconds, to find out whether it still answers.
//
// A BIRD that hangs (stopped, deadlocked, its control socket gone) keeps its sessions for a while
// and follows nothing any more; only whoever started it can help. One that is merely busy, with
// thousands of routes or sessions to work through, looks the same from the control socket: the
// kernel tells the two apart by the processor time it uses. Questions go over connections of their
// own, so that a long reload before them in BirdControl's queue does not count.
//
// Used by BirdKeeper, on its loop. It kills nobody.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bgp/bird_control.h"
#include "event/loop.h"

namespace caracal::bgp {

// Of /proc/PID/stat (proc(5)).
struct ProcessTime {
  char state = '?';    // 'R' running, 'S' asleep, 'D' in the kernel, 'T' stopped, ...
  uint64_t ticks = 0;  // processor time so far, user and system; sysconf(_SC_CLK_TCK) a second
};
std::optional<ProcessTime> parse_process_time(std::string_view stat);

class BirdWatch {
 public:
  struct Options {
    event::Duration period{10'000};       // between questions, while it answers
    event::Duration patience{5'000};      // with one question
    int tries = 3;                        // so many unanswered, and it did nothing: it hangs
    event::Duration busy_limit{120'000};  // longer than that no work may take
  };
  // `changed`: silence() is another. `hung`: says how long it was silent; again after every further
  // `tries` while it goes on.
  BirdWatch(event::Loop& loop, std::string socket_path, Options options,
            std::function<void()> changed, std::function<void(const std::string&)> hung);
  ~BirdWatch();

  void watch(pid_t pid);  // from now on this one
  void stop();

  // "BIRD (pid 12) has not answered for 5 s"; empty: it has answered the last question.
  const std::string& silence() const { return silence_; }

 private:
  void ask_after(event::Duration wait);
  void ask();
  void answered();
  void unanswered();
  bool works() const;

  event::Loop& loop_;
  std::string socket_path_;
  Options options_;
  std::function<void()> changed_;
  std::function<void(const std::string&)> hung_;
  pid_t pid_ = -1;
  std::unique_ptr<BirdControl> question_;  // ends with its callback, so it forgets nothing
  event::Clock::time_point asked_{};
  ProcessTime asked_time_;
  event::Clock::time_point last_answer_{};
  int idle_tries_ = 0;
  std::string silence_;
  event::Handle timer_;
};

}  // namespace caracal::bgp
