#include "bgp/bird_watch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"

namespace caracal::bgp {
namespace {

// Less of a processor than this is what an idle BIRD takes that looks at the kernel every second.
constexpr double kBusyShare = 0.2;

std::optional<ProcessTime> process_time(pid_t pid) {
  const auto text = read_file(fmt::format("/proc/{}/stat", pid));
  return text ? parse_process_time(*text) : std::nullopt;
}

}  // namespace

std::optional<ProcessTime> parse_process_time(std::string_view stat) {
  // "12 (a name) S 1 12 ...": the name may hold anything, so what counts begins at the last ")".
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= stat.size()) return std::nullopt;
  const auto fields = split(stat.substr(name_end + 2), ' ');
  constexpr size_t kState = 0, kUser = 11, kSystem = 12;  // fields 3, 14 and 15 of proc(5)
  if (fields.size() <= kSystem || fields[kState].size() != 1) return std::nullopt;
  const auto user = parse_decimal(fields[kUser]);
  const auto system = parse_decimal(fields[kSystem]);
  if (!user || !system) return std::nullopt;
  return ProcessTime{fields[kState][0], *user + *system};
}

BirdWatch::BirdWatch(event::Loop& loop, std::string socket_path, Options options,
                     std::function<void()> changed, std::function<void(const std::string&)> hung)
    : loop_(loop),
      socket_path_(std::move(socket_path)),
      options_(options),
      changed_(std::move(changed)),
      hung_(std::move(hung)) {}

BirdWatch::~BirdWatch() = default;

void BirdWatch::watch(pid_t pid) {
  if (pid == pid_) return;
  stop();
  pid_ = pid;
  last_answer_ = loop_.now();
  ask_after(options_.period);
}

void BirdWatch::stop() {
  pid_ = -1;
  timer_.reset();
  question_.reset();
  idle_tries_ = 0;
  silence_.clear();
}

void BirdWatch::ask_after(event::Duration wait) {
  timer_ = loop_.after(std::max(wait, event::Duration(0)), [this] { ask(); });
}

void BirdWatch::ask() {
  asked_ = loop_.now();
  asked_time_ = process_time(pid_).value_or(ProcessTime());
  question_ = std::make_unique<BirdControl>(loop_, socket_path_);
  question_->request(
      "show status",
      [this](const Result<Reply>& reply) {
        // Any reply is one; BIRD says no while it goes down, too.
        reply ? answered() : unanswered();
      },
      options_.patience);
}

void BirdWatch::answered() {
  idle_tries_ = 0;
  last_answer_ = loop_.now();
  ask_after(options_.period);
  if (silence_.empty()) return;
  log::info("BIRD answers again", {{"pid", pid_}});
  silence_.clear();
  changed_();
}

// Did it use the processor, or wait for it, since it was asked?
bool BirdWatch::works() const {
  const auto now = process_time(pid_);
  if (!now) return false;
  if (now->state == 'R' || now->state == 'D') return true;
  const double seconds = std::chrono::duration<double>(loop_.now() - asked_).count();
  const auto used = static_cast<double>(now->ticks - std::min(now->ticks, asked_time_.ticks)) /
                    static_cast<double>(std::max(::sysconf(_SC_CLK_TCK), 1L));
  return used > kBusyShare * seconds;
}

void BirdWatch::unanswered() {
  const auto silent = loop_.now() - last_answer_;
  const bool busy = works();
  if (!busy) ++idle_tries_;
  if (silence_.empty()) log::warn("BIRD does not answer", {{"pid", pid_}, {"busy", busy}});
  silence_ = fmt::format("BIRD (pid {}) has not answered for {} s{}", pid_,
                         std::chrono::duration_cast<std::chrono::seconds>(silent).count(),
                         busy ? ", it is busy" : "");
  // A refused connection comes back at once; its question has all its time nevertheless.
  ask_after(options_.patience - std::chrono::duration_cast<event::Duration>(loop_.now() - asked_));
  changed_();
  if (idle_tries_ < options_.tries && silent < options_.busy_limit) return;
  idle_tries_ = 0;
  hung_(silence_);
}

}  // namespace caracal::bgp
