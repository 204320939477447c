#include "bgp/bird_keeper.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/subprocess.h"

namespace caracal::bgp {
namespace {

constexpr event::Duration kSocketPoll{50};
constexpr int kSocketTries = 400;  // 20 s: BIRD reads its configuration first
constexpr event::Duration kReloadTimeout{60'000};
constexpr std::chrono::milliseconds kCheckTimeout{120'000};
// One that has run for so long does not count as failed when it dies.
constexpr std::chrono::seconds kProven{60};

constexpr const char* kAbsentText =
    "BIRD is not installed on this node: install the package bird2 (Debian, Ubuntu) or bird "
    "(Fedora, Alpine), version 2.0.8 or later; everything but BGP works without";

// "bird: /run/caracal/bird/bird.conf.next:12:3 syntax error": with the line it is about.
std::string with_line(std::string_view error, std::string_view file, std::string_view text) {
  const size_t at = error.find(file);
  if (at == std::string_view::npos) return std::string(trim(error));
  const std::string_view rest = trim(error.substr(at + file.size()));
  const auto numbers = split(rest.substr(0, rest.find(' ')), ':');
  const uint64_t line = numbers.size() > 1 ? parse_decimal(numbers[1]).value_or(0) : 0;
  const auto lines = split(text, '\n');
  if (line == 0 || line > lines.size()) return std::string(rest);
  std::string shown(trim(lines[line - 1]));
  if (shown.starts_with("password")) shown = "password ...";
  return fmt::format("bird.conf{}: \"{}\"", rest, shown.substr(0, 200));
}

}  // namespace

std::string_view to_string(BirdState state) {
  switch (state) {
    case BirdState::kNotNeeded:
      return "not-needed";
    case BirdState::kAbsent:
      return "absent";
    case BirdState::kStarting:
      return "starting";
    case BirdState::kRunning:
      return "running";
    case BirdState::kFailed:
      return "failed";
    case BirdState::kStopping:
      return "stopping";
  }
  return "";
}

// What a worker found out about a text.
struct BirdKeeper::Check {
  std::string text;
  std::string former;  // bird.conf as it was
  bool absent = false;
  std::string refusal;  // empty: taken
  std::string failure;  // of files, not of the text
};

// The end of BIRD, in steps: load a configuration that takes its routes out of the kernel, tell it
// to go down, see that it does.
class BirdKeeper::Stopping {
 public:
  Stopping(BirdKeeper& keeper, Leave leave, std::function<void(Status)> done)
      : keeper_(keeper), leave_(leave), done_(std::move(done)) {}

  void begin() {
    if (!keeper_.process_.adopt()) return leave_ == Leave::kNothing ? sweep() : finish();
    if (leave_ == Leave::kRoutes) return command("graceful restart");
    Status written = write_withdrawal();
    if (!written) return finish(std::move(written));
    keeper_.control_.request(
        fmt::format("configure \"{}\"", keeper_.path("bird.conf")),
        [this, alive = std::weak_ptr<int>(alive_)](Result<Reply> reply) {
          // Gone, or BIRD has died over it: then begin() has been called again.
          if (alive.expired() || !keeper_.process_.running()) return;
          if (reply && !reply->failed()) return command("down");
          finish(fail(Errc::kUnavailable, "BIRD does not give its routes back: " +
                                              (reply ? reply->text() : reply.error().message)));
        },
        kReloadTimeout);
  }

  // BIRD has ended.
  void ended() { finish(); }
  bool ends_now() const { return going_down_; }

 private:
  Status write_withdrawal() {
    Config none;
    none.node = keeper_.wanted_ ? keeper_.wanted_->node : "";
    none.router_id = keeper_.wanted_ ? keeper_.wanted_->router_id : net::IpAddr::v4(1);
    RenderOptions options = keeper_.options_.render;
    options.withdraw = true;
    return write_file_atomic(keeper_.path("bird.conf"), render_bird(none, options), 0600);
  }

  // None runs, but one that ran may have left routes: only BIRD itself tells its routes from
  // others', so one is started that wants none.
  void sweep() {
    if (::access(keeper_.path("bird.conf").c_str(), F_OK) != 0) return finish();
    if (swept_) {
      return finish(fail(Errc::kUnavailable, "BIRD, started to take its routes away, has ended: " +
                                                 keeper_.process_.last_output()));
    }
    swept_ = true;
    Status written = write_withdrawal();
    if (!written) return finish(std::move(written));
    if (Status started = keeper_.process_.start(false); !started)
      return finish(started.error().code == Errc::kNotFound ? Status() : std::move(started));
    // It reads the kernel's routes within the first scan time (1 s).
    timer_ = keeper_.loop_.after(event::Duration(2500), [this] { command("down"); });
  }

  void command(const char* text) {
    going_down_ = true;
    keeper_.control_.request(text, [this](Result<Reply> reply) {
      if (reply && reply->failed()) log::warn("BIRD", {{"reply", reply->text()}});
    });
    timer_ = keeper_.loop_.after(event::Duration(5000), [this] {
      keeper_.process_.send_signal(SIGTERM);
      timer_ = keeper_.loop_.after(event::Duration(5000),
                                   [this] { keeper_.process_.send_signal(SIGKILL); });
    });
  }

  void finish(Status status = {}) {
    timer_.reset();
    if (status) {
      for (const char* name : {"bird.conf.next", "bird.ctl", "bird.out"})
        ::unlink(keeper_.path(name).c_str());
      // bird.conf marks that a BIRD of ours had the kernel's routes.
      if (leave_ == Leave::kNothing) {
        for (const char* name : {"bird.conf", "bird.log", "bird.log.1"})
          ::unlink(keeper_.path(name).c_str());
        ::rmdir(keeper_.options_.folder.c_str());
      }
    }
    const std::unique_ptr<Stopping> self = std::move(keeper_.stopping_);
    keeper_.set_state(keeper_.process_.running() ? BirdState::kRunning : BirdState::kNotNeeded,
                      status ? "" : status.error().message);
    if (keeper_.wanted_) keeper_.schedule();  // came meanwhile
    if (done_) done_(std::move(status));
  }

  BirdKeeper& keeper_;
  Leave leave_;
  std::function<void(Status)> done_;
  bool going_down_ = false;
  bool swept_ = false;
  event::Handle timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

BirdKeeper::BirdKeeper(event::Loop& loop, Options options, event::Callback changed)
    : loop_(loop),
      options_(std::move(options)),
      changed_(std::move(changed)),
      process_(loop, options_.command, {path("bird.conf"), path("bird.ctl"), path("bird.out")},
               [this](const std::string& how) { died(how); }),
      control_(loop, path("bird.ctl")),
      watch_(
          loop, path("bird.ctl"), options_.watch, [this] { silent(); },
          [this](const std::string& how) { hung(how); }),
      backoff_(options_.backoff) {
  if (options_.render.log_file.empty()) options_.render.log_file = path("bird.log");
}

BirdKeeper::~BirdKeeper() = default;

bool BirdKeeper::configured() const {
  return wanted_ && !wanted_dirty_ && state_ == BirdState::kRunning && loaded_text_ == wanted_text_;
}

void BirdKeeper::want(Config config) {
  if (wanted_ == config) return;
  wanted_ = std::move(config);
  wanted_dirty_ = true;
  schedule();
}

void BirdKeeper::unwant() {
  if (stopping_) return;
  if (!wanted_ && !process_.running() && ::access(path("bird.conf").c_str(), F_OK) != 0) return;
  stop(Leave::kNothing, {});
}

// A burst of changes is one reload: BIRD works through every filter again at each.
void BirdKeeper::schedule() {
  const auto now = loop_.now();
  if (!burst_began_) burst_began_ = now;
  const auto left =
      std::chrono::duration_cast<event::Duration>(*burst_began_ + options_.longest_wait - now);
  settle_timer_ = loop_.after(std::clamp(left, event::Duration(0), options_.settle), [this] {
    burst_began_.reset();
    work_off();
  });
}

void BirdKeeper::work_off() {
  if (!wanted_ || stopping_) return;
  if (busy_) {
    again_ = true;
    return;
  }
  if (wanted_dirty_) {
    wanted_text_ = render_bird(*wanted_, options_.render);
    wanted_dirty_ = false;
  }
  const bool refused = !refused_text_.empty() && wanted_text_ == refused_text_;
  if (process_.running() && (refused || wanted_text_ == loaded_text_))
    return set_state(BirdState::kRunning, refused ? refusal_ : "");
  // It has died: what it had is known to be right, and so is what to do with a refused text.
  if (!file_text_.empty() && (refused || wanted_text_ == file_text_)) return load();
  if (refused) return set_state(BirdState::kFailed, refusal_);
  busy_ = true;
  if (!process_.running() && state_ != BirdState::kFailed)
    set_state(BirdState::kStarting, last_error_);
  loop_.work(
      [text = wanted_text_, command = options_.command, folder = options_.folder,
       next = path("bird.conf.next"), current = path("bird.conf")] {
        Check check;
        check.text = text;
        check.former = read_file(current).value_or("");
        Status written = make_directories(folder);
        if (written) {
          ::chmod(folder.c_str(), 0700);  // passwords are in it
          written = write_file_atomic(next, text, 0600);
        }
        if (!written) {
          check.failure = written.error().message;
          return check;
        }
        Command bird{.argv = command};
        bird.argv.insert(bird.argv.end(), {"-p", "-c", next});
        bird.timeout = kCheckTimeout;
        const Result<CommandOutput> output = run(bird);
        if (!output) {
          check.absent = output.error().code == Errc::kNotFound;
          check.failure = output.error().message;
        } else if (output->exit_code != 0) {
          check.refusal = with_line(output->err + output->out, next, text);
        } else if (::rename(next.c_str(), current.c_str()) != 0) {
          check.failure = "cannot rename " + next;
        }
        return check;
      },
      [this, alive = std::weak_ptr<int>(alive_)](Check check) {
        if (!alive.expired()) checked(std::move(check));
      });
}

void BirdKeeper::checked(Check check) {
  busy_ = false;
  if (stopping_) return stopping_->begin();
  if (check.absent) {
    set_state(BirdState::kAbsent, kAbsentText);
    return retry(options_.absent_period);
  }
  if (!check.failure.empty()) {
    set_state(process_.running() ? state_ : BirdState::kFailed, check.failure);
    return retry(backoff_.next());
  }
  if (!check.refusal.empty()) {
    refused_text_ = check.text;
    refusal_ = "BIRD refuses the configuration, the former one stays in force: " + check.refusal;
    log::error("BIRD refuses a configuration", {{"error", check.refusal}});
    file_text_ = check.former;
    // One that was taken once is better than none.
    if (!process_.running() && !file_text_.empty()) {
      set_state(state_, refusal_);
      return load();
    }
    set_state(process_.running() ? BirdState::kRunning : BirdState::kFailed, refusal_);
  } else {
    file_text_ = check.text;
    refused_text_.clear();
    refusal_.clear();
    return load();
  }
  if (again_) {
    again_ = false;
    work_off();
  }
}

// bird.conf is right: BIRD should have it.
void BirdKeeper::load() {
  busy_ = true;
  // Also one that an earlier agent has left. Whether what it has is this text nobody can know (that
  // agent may have died between writing and loading), so it loads it: where nothing differs,
  // nothing happens to its sessions.
  if (!process_.adopt()) return start();
  watch_.watch(process_.pid());
  configure();
}

void BirdKeeper::configure() {
  control_.request(
      fmt::format("configure \"{}\"", path("bird.conf")),
      [this](Result<Reply> reply) {
        if (!process_.running()) return;  // it died over it, and died() has seen to it
        busy_ = false;
        if (stopping_) return stopping_->begin();
        if (reply && !reply->failed()) {
          loaded_text_ = file_text_;
          return running();
        }
        const std::string error = reply ? reply->text() : reply.error().message;
        set_state(state_, "BIRD does not load its configuration: " + error);
        retry(backoff_.next());
      },
      kReloadTimeout);
}

void BirdKeeper::start() {
  // The folder is gone after a boot of the host. What was there before is the sign that the kernel
  // may hold routes worth keeping.
  const bool recover = ::access(path("bird.log").c_str(), F_OK) == 0;
  started_ = loop_.now();
  const Status started = process_.start(recover);
  if (!started) {
    busy_ = false;
    const bool absent = started.error().code == Errc::kNotFound;
    set_state(absent ? BirdState::kAbsent : BirdState::kFailed,
              absent ? kAbsentText : started.error().message);
    return retry(absent ? options_.absent_period : backoff_.next());
  }
  log::info("BIRD started", {{"pid", process_.pid()}, {"recover", recover}});
  wait_for_socket(kSocketTries);
}

void BirdKeeper::wait_for_socket(int tries) {
  socket_timer_ = loop_.after(kSocketPoll, [this, tries] {
    const Result<pid_t> pid = bird_process(path("bird.ctl"));
    if (pid && *pid == process_.pid()) {
      busy_ = false;
      loaded_text_ = file_text_;
      if (stopping_) return stopping_->begin();
      return running();
    }
    if (tries > 0) return wait_for_socket(tries - 1);
    hung("BIRD's control socket was not there in time");  // died() goes on
  });
}

void BirdKeeper::running() {
  watch_.watch(process_.pid());
  set_state(BirdState::kRunning, refusal_);
  if (!check_timer_.active())
    check_timer_ = loop_.every(options_.check_period, [this] { help_sessions(); });
  if (again_ || (wanted_ && (wanted_dirty_ || wanted_text_ != loaded_text_))) {
    again_ = false;
    work_off();
  }
}

// BIRD has begun or ceased to answer.
void BirdKeeper::silent() {
  if (state_ == BirdState::kRunning)
    set_state(state_, watch_.silence().empty() ? refusal_ : watch_.silence());
}

// Peers and the kernel keep the routes meanwhile, as whenever it dies.
void BirdKeeper::hung(const std::string& how) {
  log::error("BIRD hangs and is killed", {{"pid", process_.pid()}, {"how", how}});
  killed_for_ = how;
  process_.send_signal(SIGKILL);
}

void BirdKeeper::died(const std::string& how) {
  socket_timer_.reset();
  watch_.stop();
  const std::string killed_for = std::exchange(killed_for_, {});
  busy_ = false;
  loaded_text_.clear();
  if (stopping_) return stopping_->ends_now() ? stopping_->ended() : stopping_->begin();
  if (event::Clock::now() - started_ > kProven) backoff_.reset();
  const std::string output = process_.last_output();
  const std::string error =
      killed_for.empty() ? "BIRD has ended (" + how + ")" + (output.empty() ? "" : ": " + output)
                         : killed_for + ": it was killed, and is started again";
  log::warn("BIRD has ended", {{"how", how}, {"output", output}});
  set_state(wanted_ ? BirdState::kFailed : BirdState::kNotNeeded, error);
  if (wanted_) retry(backoff_.next());
}

void BirdKeeper::retry(event::Duration delay) {
  retry_timer_ = loop_.after(delay, [this] { work_off(); });
}

void BirdKeeper::stop(Leave leave, std::function<void(Status)> done) {
  if (stopping_) {
    if (done) done(fail(Errc::kUnavailable, "BIRD is being stopped already"));
    return;
  }
  wanted_.reset();
  wanted_text_.clear();
  refused_text_.clear();
  refusal_.clear();
  settle_timer_.reset();
  retry_timer_.reset();
  check_timer_.reset();
  burst_began_.reset();
  again_ = false;
  stopping_ = std::make_unique<Stopping>(*this, leave, std::move(done));
  set_state(BirdState::kStopping, "");
  if (!busy_) stopping_->begin();  // else whoever is busy begins it
}

void BirdKeeper::set_state(BirdState state, std::string error) {
  if (state == state_ && error == last_error_) return;
  if (state != state_) log::info("BIRD", {{"state", to_string(state)}, {"error", error}});
  state_ = state;
  last_error_ = std::move(error);
  if (changed_) changed_();
}

// A session that could not listen (its address was not there yet, or another program had the port)
// is disabled by BIRD until somebody enables it again.
void BirdKeeper::help_sessions() {
  if (state_ != BirdState::kRunning || busy_ || stopping_) return;
  control_.request("show protocols all", [this](Result<Reply> reply) {
    if (!reply) return;
    if (const auto protocols = parse_protocols(*reply); protocols) restart_sessions(*protocols);
  });
}

void BirdKeeper::restart_sessions(const std::vector<ProtocolStatus>& protocols) {
  for (const ProtocolStatus& protocol : protocols) {
    if (protocol.type != "BGP" || protocol.state != "down" ||
        protocol.last_error.find("No listening socket") == std::string::npos)
      continue;
    control_.request("enable " + protocol.name, [](const Result<Reply>&) {});
  }
}

void BirdKeeper::view(std::function<void(View)> done) {
  auto view = std::make_shared<View>();
  view->state = state_;
  view->pid = process_.pid();
  view->configured = configured();
  view->last_error = last_error_;
  const Config config = wanted_.value_or(Config());
  if (state_ != BirdState::kRunning || !watch_.silence().empty()) {
    const std::string why = state_ == BirdState::kRunning ? watch_.silence() : last_error_;
    view->peers = report_peers(config, {},
                               state_ == BirdState::kRunning
                                   ? why
                                   : "BIRD does not run" + (why.empty() ? "" : ": " + why));
    loop_.post([view, done = std::move(done)] { done(std::move(*view)); });
    return;
  }
  const auto note = [view](const Error& error) {
    if (view->last_error.empty()) view->last_error = error.message;
  };
  control_.request("show status", [view, note](Result<Reply> reply) {
    if (!reply) return note(reply.error());
    auto daemon = parse_daemon_status(*reply);
    if (!daemon) return note(daemon.error());
    view->daemon = std::move(*daemon);
  });
  control_.request("show protocols all", [view, note, config, done](Result<Reply> reply) {
    std::string silent;
    std::vector<ProtocolStatus> protocols;
    if (!reply) {
      silent = reply.error().message;
      note(reply.error());
    } else if (auto parsed = parse_protocols(*reply); parsed) {
      protocols = std::move(*parsed);
    } else {
      silent = parsed.error().message;
    }
    view->peers = report_peers(config, protocols, silent);
    done(std::move(*view));
  });
}

json::object to_json(const BirdKeeper::View& view) {
  json::object out{{"state", to_string(view.state)}, {"configured", view.configured}};
  if (view.pid > 0) out["pid"] = view.pid;
  if (!view.last_error.empty()) out["lastError"] = view.last_error;
  if (view.daemon) {
    out["version"] = view.daemon->version;
    out["routerId"] = view.daemon->router_id;
    out["booted"] = view.daemon->booted;
    out["reconfigured"] = view.daemon->reconfigured;
    out["gracefulRestart"] = view.daemon->recovering;
    out["reconfiguring"] = view.daemon->reconfiguring;
  }
  json::array peers;
  for (const PeerReport& peer : view.peers) peers.push_back(to_json(peer));
  out["peers"] = std::move(peers);
  return out;
}

}  // namespace caracal::bgp
