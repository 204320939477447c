#include "lab/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/file.h"
#include "base/strings.h"

extern char** environ;

namespace caracal::lab {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> merged_environment(const std::vector<std::string>& added) {
  std::vector<std::string> out = added;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view ours = *entry;
    const std::string_view name = ours.substr(0, ours.find('=') + 1);
    if (std::none_of(added.begin(), added.end(),
                     [&](const auto& a) { return a.starts_with(name); })) {
      out.emplace_back(ours);
    }
  }
  return out;
}

// The pieces below run between fork and exec: async-signal-safe calls only.

int enter_netns(const char* path) {
  const int ns = ::open(path, O_RDONLY | O_CLOEXEC);
  if (ns < 0 || ::setns(ns, CLONE_NEWNET) != 0) return errno;
  // sysfs shows the network namespace it was mounted in; as ip-netns does, mount one that fits.
  // Where that is not allowed the process lives with the other /sys.
  if (::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", "none", MS_SLAVE | MS_REC, nullptr) == 0 &&
      ::umount2("/sys", MNT_DETACH) == 0) {
    ::mount("sysfs", "/sys", "sysfs", 0, nullptr);
  }
  return 0;
}

void reset_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGCHLD, SIGHUP}) ::signal(signal, SIG_DFL);
}

struct ChildFds {
  int log;
  int ready;  // or -1
  int failure;
};

[[noreturn]] void exec_daemon(const Spawn& options, char* const* argv, char* const* env,
                              ChildFds fds) {
  int error = 0;
  ::setsid();
  if (!options.netns.empty()) error = enter_netns(options.netns.c_str());
  const int null = ::open("/dev/null", O_RDONLY);
  if (null < 0 || ::chdir(options.directory.empty() ? "/" : options.directory.c_str()) != 0) {
    if (error == 0) error = errno;
  }
  if (error == 0) {
    ::dup2(null, 0);
    ::dup2(fds.log, 1);
    ::dup2(fds.log, 2);
    // `failure` moves out of the way of descriptor 3 and closes on exec.
    const int failure = ::fcntl(fds.failure, F_DUPFD_CLOEXEC, 10);
    const int ready = fds.ready < 0 ? -1 : ::fcntl(fds.ready, F_DUPFD_CLOEXEC, 10);
    ::close_range(3, 9, 0);
    ::close_range(static_cast<unsigned>(std::max(failure, ready)) + 1, ~0U, 0);
    if (ready >= 0) ::dup2(ready, 3);
    fds.failure = failure;
    reset_signals();
    ::execvpe(argv[0], argv, env);
    error = errno;
  }
  [[maybe_unused]] const ssize_t ignored = ::write(fds.failure, &error, sizeof error);
  ::_exit(127);
}

// Reads from a pipe until it is closed, a newline came, or the deadline passed.
std::string read_line_until(int fd, Clock::time_point deadline, bool& timed_out) {
  std::string text;
  timed_out = false;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) {
      timed_out = true;
      return text;
    }
    pollfd p{fd, POLLIN, 0};
    const int n = ::poll(&p, 1, static_cast<int>(left));
    if (n < 0 && errno != EINTR) return text;
    if (n <= 0) continue;
    char buffer[512];
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got <= 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.back() == '\n') return text;
  }
}

// Fields of /proc/PID/stat behind the program's name, which may hold anything.
std::optional<std::pair<char, uint64_t>> state_and_start(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  const size_t end = text->rfind(')');
  if (end == std::string::npos || end + 2 >= text->size()) return std::nullopt;
  const auto fields = split(std::string_view(*text).substr(end + 2), ' ');
  if (fields.size() < 20) return std::nullopt;
  const auto start = parse_decimal(fields[19]);
  if (!start) return std::nullopt;
  return std::pair(fields[0][0], *start);
}

std::set<pid_t> ourselves_and_ancestors() {
  std::set<pid_t> out;
  for (pid_t pid = ::getpid(); pid > 0;) {
    out.insert(pid);
    const auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
    if (!text) break;
    const size_t end = text->rfind(')');
    if (end == std::string::npos) break;
    const auto fields = split(std::string_view(*text).substr(end + 2), ' ');
    pid = fields.size() > 1 ? static_cast<pid_t>(parse_decimal(fields[1]).value_or(0)) : 0;
  }
  return out;
}

template <typename Predicate>
std::vector<Process> scan(Predicate wanted) {
  std::vector<Process> out;
  const std::set<pid_t> spared = ourselves_and_ancestors();
  DIR* proc = ::opendir("/proc");
  if (proc == nullptr) return out;
  while (const dirent* entry = ::readdir(proc)) {
    const auto pid = parse_decimal(entry->d_name, 1U << 30);
    if (!pid || spared.contains(static_cast<pid_t>(*pid))) continue;
    if (!wanted("/proc/" + std::string(entry->d_name))) continue;
    if (const auto process = find_process(static_cast<pid_t>(*pid))) out.push_back(*process);
  }
  ::closedir(proc);
  return out;
}

// A child of ours that has ended stays a zombie until somebody asks; if it is not our child this
// does nothing.
void reap(pid_t pid) { ::waitpid(pid, nullptr, WNOHANG); }

}  // namespace

Result<Process> spawn(const Spawn& options) {
  int failure_pipe[2];
  int ready_pipe[2] = {-1, -1};
  if (::pipe2(failure_pipe, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  const UniqueFd failure_read(failure_pipe[0]);
  UniqueFd failure_write(failure_pipe[1]);
  if (options.wait_ready && ::pipe2(ready_pipe, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  const UniqueFd ready_read(ready_pipe[0]);
  UniqueFd ready_write(ready_pipe[1]);
  const std::string log_path = options.log.empty() ? "/dev/null" : options.log;
  UniqueFd log(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return fail_errno(errno, "open " + log_path);

  const std::vector<std::string> environment = merged_environment(options.environment);
  const std::vector<char*> argv = pointers(options.argv);
  const std::vector<char*> env = pointers(environment);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) {
    exec_daemon(options, argv.data(), env.data(),
                {log.get(), ready_write.get(), failure_write.get()});
  }
  failure_write.reset();
  ready_write.reset();
  int error = 0;
  ssize_t got;
  while ((got = ::read(failure_read.get(), &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (got == sizeof error) {
    ::waitpid(pid, nullptr, 0);
    return fail_errno(error, "start " + options.argv.at(0) +
                                 (options.netns.empty() ? "" : " in " + options.netns));
  }
  const auto started = state_and_start(pid);
  const Process process{pid, started ? started->second : 0};
  if (options.wait_ready) {
    bool timed_out = false;
    const std::string text =
        read_line_until(ready_read.get(), Clock::now() + *options.wait_ready, timed_out);
    if (text != "ready\n") {
      [[maybe_unused]] const Status stopped = stop_process(process, std::chrono::milliseconds(0));
      if (timed_out) {
        return fail(Errc::kTimeout, options.argv.at(0) + " was not ready after " +
                                        std::to_string(options.wait_ready->count()) + " ms");
      }
      return fail(Errc::kInternal,
                  options.argv.at(0) + ": " +
                      (text.empty() ? "ended before it was ready" : std::string(trim(text))));
    }
  }
  return process;
}

Result<int> run_interactive(const std::vector<std::string>& argv, const std::string& netns,
                            const std::vector<std::string>& environment) {
  const std::vector<std::string> merged = merged_environment(environment);
  const std::vector<char*> args = pointers(argv);
  const std::vector<char*> env = pointers(merged);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) {
    int error = netns.empty() ? 0 : enter_netns(netns.c_str());
    if (error == 0) {
      reset_signals();
      ::execvpe(args[0], args.data(), env.data());
      error = errno;
    }
    const char* reason = ::strerror(error);
    for (const char* part :
         {"caracal: cannot run ", static_cast<const char*>(args[0]), ": ", reason, "\n"}) {
      [[maybe_unused]] const ssize_t ignored = ::write(2, part, ::strlen(part));
    }
    ::_exit(error == ENOENT ? 127 : 126);
  }
  // The terminal's signals go to the command; we wait for it whatever happens.
  struct sigaction ignore {
  }, old_int{}, old_quit{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &ignore, &old_int);
  ::sigaction(SIGQUIT, &ignore, &old_quit);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  ::sigaction(SIGINT, &old_int, nullptr);
  ::sigaction(SIGQUIT, &old_quit, nullptr);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::optional<Process> find_process(pid_t pid) {
  const auto found = state_and_start(pid);
  if (!found || found->first == 'Z' || found->first == 'X') return std::nullopt;
  return Process{pid, found->second};
}

bool alive(const Process& process) {
  if (process.pid <= 0) return false;
  reap(process.pid);
  return find_process(process.pid) == process;
}

UniqueFd open_pidfd(const Process& process) {
  if (!alive(process)) return {};
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  // Looked at again: the pid may have changed hands between the two calls.
  return alive(process) ? std::move(fd) : UniqueFd();
}

Status send_signal(const Process& process, int signal) {
  const UniqueFd fd = open_pidfd(process);
  if (!fd) return fail(Errc::kNotFound, "process " + std::to_string(process.pid) + " is gone");
  if (::syscall(SYS_pidfd_send_signal, fd.get(), signal, nullptr, 0) != 0) {
    return fail_errno(errno, "signal process " + std::to_string(process.pid));
  }
  return {};
}

Status stop_process(const Process& process, std::chrono::milliseconds grace) {
  const auto wait_end = [&](const UniqueFd& fd, std::chrono::milliseconds time) {
    pollfd p{fd.get(), POLLIN, 0};
    ::poll(&p, 1, static_cast<int>(time.count()));
    return !alive(process);
  };
  const UniqueFd fd = open_pidfd(process);
  if (!fd) return {};
  if (grace.count() > 0) {
    ::syscall(SYS_pidfd_send_signal, fd.get(), SIGTERM, nullptr, 0);
    if (wait_end(fd, grace)) return {};
  }
  ::syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0);
  if (wait_end(fd, std::chrono::seconds(10))) return {};
  return fail(Errc::kTimeout, "process " + std::to_string(process.pid) + " does not end");
}

void stop_processes(const std::vector<Process>& processes, std::chrono::milliseconds grace) {
  for (const Process& process : processes) {
    if (grace.count() > 0) [[maybe_unused]]
      const Status s = send_signal(process, SIGTERM);
  }
  const auto deadline = Clock::now() + grace;
  for (const Process& process : processes) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    const UniqueFd fd = open_pidfd(process);
    if (fd && left.count() > 0) {
      pollfd p{fd.get(), POLLIN, 0};
      ::poll(&p, 1, static_cast<int>(left.count()));
    }
    [[maybe_unused]] const Status s = stop_process(process, std::chrono::milliseconds(0));
  }
}

std::vector<Process> find_by_environment(std::string_view variable) {
  return scan([variable](const std::string& folder) {
    const auto text = read_file(folder + "/environ");
    if (!text) return false;
    for (const std::string_view entry : split(*text, '\0')) {
      if (entry == variable) return true;
    }
    return false;
  });
}

std::vector<Process> find_by_netns(const std::vector<std::string>& netns_paths) {
  std::set<ino_t> inodes;
  for (const std::string& path : netns_paths) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) inodes.insert(status.st_ino);
  }
  struct stat own {};
  if (::stat("/proc/self/ns/net", &own) == 0) inodes.erase(own.st_ino);
  if (inodes.empty()) return {};
  return scan([&inodes](const std::string& folder) {
    struct stat status {};
    return ::stat((folder + "/ns/net").c_str(), &status) == 0 && inodes.contains(status.st_ino);
  });
}

Status write_record(const std::string& path, const Process& process) {
  return write_file_atomic(
      path, std::to_string(process.pid) + " " + std::to_string(process.start_time) + "\n");
}

std::optional<Process> read_record(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  const auto fields = split(trim(*text), ' ');
  if (fields.size() != 2) return std::nullopt;
  const auto pid = parse_decimal(fields[0], 1U << 30);
  const auto start = parse_decimal(fields[1]);
  if (!pid || !start || *pid == 0) return std::nullopt;
  return Process{static_cast<pid_t>(*pid), *start};
}

}  // namespace caracal::lab
