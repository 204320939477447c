#include "base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "base/strings.h"

extern char** environ;

namespace caracal {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// write() to a pipe nobody may read any more: EPIPE instead of SIGPIPE, without a word to the other
// threads (the disposition of a signal is the whole process's). A SIGPIPE of a write is pending for
// the thread that wrote, so it is taken here, unless one was waiting before.
ssize_t write_without_sigpipe(int fd, const char* data, size_t size) {
  sigset_t pipe;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  sigset_t pending;
  ::sigpending(&pending);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
  const ssize_t written = ::write(fd, data, size);
  const int error = errno;
  if (written < 0 && error == EPIPE && ::sigismember(&pending, SIGPIPE) == 0) {
    const timespec now{};
    while (::sigtimedwait(&pipe, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

// Only async-signal-safe calls: the parent may have threads.
[[noreturn]] void exec_child(const Command& command, char* const* argv, char* const* env, int in,
                             int out, int err, int failure) {
  int error = 0;
  if (!command.netns.empty()) {
    const int ns = ::open(command.netns.c_str(), O_RDONLY | O_CLOEXEC);
    if (ns < 0 || ::setns(ns, CLONE_NEWNET) != 0) error = errno;
  }
  if (error == 0) {
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::execvpe(argv[0], argv, env);
    error = errno;
  }
  [[maybe_unused]] const ssize_t ignored = ::write(failure, &error, sizeof error);
  ::_exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

Result<CommandOutput> run(const Command& command) {
  CARACAL_ASSIGN(Pipe in, make_pipe());
  CARACAL_ASSIGN(Pipe out, make_pipe());
  CARACAL_ASSIGN(Pipe err, make_pipe());
  CARACAL_ASSIGN(Pipe failure, make_pipe());
  const std::vector<char*> argv = pointers(command.argv);
  const std::vector<char*> env =
      command.environment ? pointers(*command.environment) : std::vector<char*>();
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) {
    exec_child(command, argv.data(), command.environment ? env.data() : environ, in.read.get(),
               out.write.get(), err.write.get(), failure.write.get());
  }
  in.read.reset();
  out.write.reset();
  err.write.reset();
  failure.write.reset();

  int exec_error = 0;
  ssize_t failed = 0;
  do {
    failed = ::read(failure.read.get(), &exec_error, sizeof exec_error);
  } while (failed < 0 && errno == EINTR);
  if (failed == sizeof exec_error) {
    ::waitpid(pid, nullptr, 0);
    return fail_errno(exec_error, "start " + command.argv.at(0));
  }

  CommandOutput output;
  size_t written = 0;
  if (command.input.empty()) in.write.reset();
  if (in.write) ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  const auto deadline = std::chrono::steady_clock::now() + command.timeout;
  while (out.read || err.read) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                          deadline - std::chrono::steady_clock::now())
                          .count();
    if (left <= 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      return fail(Errc::kTimeout, join(command.argv, " ") + ": no end after " +
                                      std::to_string(command.timeout.count()) + " ms");
    }
    std::array<pollfd, 3> fds{
        {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}, {in.write.get(), POLLOUT, 0}}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(left)) < 0 && errno != EINTR) break;
    const auto drain = [](const pollfd& p, UniqueFd& fd, std::string& into) {
      if (p.fd < 0 || p.revents == 0) return;
      char buffer[16384];
      const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      if (n > 0) into.append(buffer, static_cast<size_t>(n));
      if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) fd.reset();
    };
    drain(fds[0], out.read, output.out);
    drain(fds[1], err.read, output.err);
    if (in.write && fds[2].revents != 0) {
      // A child that does not read its input is its own business: EPIPE ends it.
      const ssize_t n = write_without_sigpipe(in.write.get(), command.input.data() + written,
                                              command.input.size() - written);
      if (n > 0) written += static_cast<size_t>(n);
      if (written == command.input.size() || (n < 0 && errno != EAGAIN && errno != EINTR))
        in.write.reset();
    }
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  output.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

Result<std::string> run_checked(const Command& command) {
  CARACAL_ASSIGN(CommandOutput output, run(command));
  if (output.exit_code != 0) {
    return fail(Errc::kInternal,
                join(command.argv, " ") + ": exit " + std::to_string(output.exit_code) + ": " +
                    std::string(trim(output.err.empty() ? output.out : output.err)));
  }
  return std::move(output.out);
}

}  // namespace caracal
