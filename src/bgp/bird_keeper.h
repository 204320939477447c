// BirdKeeper: keeps one BIRD running with the configuration that is wanted.
//
//   Config --want()--> wait for the burst to end --> bird.conf.next --bird -p--> bird.conf
//        --> `configure` over the socket, or start BIRD      (only when the text is another)
//
// Lives on one event loop (the agent's calculation loop); files and `bird -p` are worker's
// business. What holds:
//  * A configuration that BIRD refuses never replaces one it has taken.
//  * BIRD outlives the agent; the next agent takes it over with its sessions. It ends only by
//    unwant() and stop().
//  * A BIRD that dies is started again, with backoff, in graceful restart: the kernel's routes stay
//    as they are until its peers have told theirs again.
//  * A BIRD that hangs is killed, and then it is one that has died; one that is busy is not.
//  * Without the program everything else goes on; it is looked for again from time to time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bgp/bird_control.h"
#include "bgp/bird_process.h"
#include "bgp/bird_watch.h"
#include "bgp/config.h"
#include "bgp/peer_report.h"
#include "bgp/render_bird.h"
#include "event/backoff.h"
#include "event/loop.h"
#include "jsonio/json.h"

namespace caracal::bgp {

enum class BirdState : uint8_t {
  kNotNeeded,  // nothing wanted, nothing runs
  kAbsent,     // the program is not installed
  kStarting,   // being checked or started
  kRunning,
  kFailed,  // died, or cannot be started; tried again with backoff
  kStopping,
};
std::string_view to_string(BirdState state);  // "not-needed", "absent", ...

class BirdKeeper {
 public:
  struct Options {
    std::vector<std::string> command = {"bird"};  // arguments are put after
    std::string folder = "/run/caracal/bird";     // made if needed, mode 0700
    // A reload waits for this long without another change, and at most for `longest_wait`.
    event::Duration settle{100};
    event::Duration longest_wait{1000};
    event::Duration check_period{10'000};  // of the look for sessions that need help
    event::Duration absent_period{30'000};
    BirdWatch::Options watch;
    event::BackoffOptions backoff{.first = event::Duration(500),
                                  .longest = event::Duration(30'000)};
    RenderOptions render;  // log_file: bird.log of the folder when empty
  };

  // What a look at BIRD gives.
  struct View {
    BirdState state = BirdState::kNotNeeded;
    std::optional<DaemonStatus> daemon;
    pid_t pid = -1;
    bool configured = false;  // what is wanted is in force
    std::string last_error;   // of the configuration, of the start, of BIRD's end; empty: none
    std::vector<PeerReport> peers;
  };

  // `changed` runs on the loop when state or last_error are others than before.
  BirdKeeper(event::Loop& loop, Options options, event::Callback changed = {});
  ~BirdKeeper();  // BIRD goes on
  BirdKeeper(const BirdKeeper&) = delete;
  BirdKeeper& operator=(const BirdKeeper&) = delete;

  void want(Config config);
  // No BGP any more: sessions and routes go, then BIRD. Nothing happens when none runs.
  void unwant();

  enum class Leave {
    kNothing,  // routes leave the kernel first (uninstall)
    kRoutes,   // kernel and peers keep the routes for the restart time (an upgrade of BIRD)
  };
  // Ends BIRD; nothing is wanted afterwards. `done` on the loop. An error leaves BIRD as it is.
  void stop(Leave leave, std::function<void(Status)> done);

  BirdState state() const { return state_; }
  const std::string& last_error() const { return last_error_; }
  bool configured() const;
  pid_t pid() const { return process_.pid(); }

  // Asks BIRD; `done` on the loop, later.
  void view(std::function<void(View)> done);

 private:
  struct Check;
  class Stopping;

  std::string path(const char* name) const { return options_.folder + "/" + name; }
  void schedule();
  void work_off();
  void checked(Check check);
  void load();
  void configure();
  void start();
  void wait_for_socket(int tries);
  void running();
  void silent();
  void hung(const std::string& how);
  void died(const std::string& how);
  void retry(event::Duration delay);
  void set_state(BirdState state, std::string error);
  void help_sessions();
  void restart_sessions(const std::vector<ProtocolStatus>& protocols);

  event::Loop& loop_;
  Options options_;
  event::Callback changed_;
  BirdProcess process_;
  BirdControl control_;
  BirdWatch watch_;
  std::string killed_for_;  // by us, since it hung; empty: not
  event::Backoff backoff_;
  event::Clock::time_point started_{};

  BirdState state_ = BirdState::kNotNeeded;
  std::string last_error_;
  std::optional<Config> wanted_;
  std::string wanted_text_;
  bool wanted_dirty_ = false;  // wanted_text_ is to be made from wanted_
  std::string file_text_;      // bird.conf, taken by `bird -p`
  std::string loaded_text_;    // in force
  std::string refused_text_;
  std::string refusal_;
  bool busy_ = false;   // a check, a reload or a start is under way
  bool again_ = false;  // and something changed meanwhile
  std::optional<event::Clock::time_point> burst_began_;

  event::Handle settle_timer_;
  event::Handle retry_timer_;
  event::Handle socket_timer_;
  event::Handle check_timer_;
  std::unique_ptr<Stopping> stopping_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // workers' answers come to the living
};

json::object to_json(const BirdKeeper::View& view);

}  // namespace caracal::bgp
