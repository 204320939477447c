#include "bgp/bird_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "base/fd.h"
#include "base/file.h"
#include "base/strings.h"
#include "bgp/bird_control.h"

namespace caracal::bgp {
namespace {

std::string describe_end(int code) {
  if (code < 0) return "ended";  // another process's child: nobody tells us how
  if (code > 128) return "killed by signal " + std::to_string(code - 128);
  return "exit code " + std::to_string(code);
}

// A process with the arguments "-s SOCKET" that is no check of a configuration; one that has ended
// has no arguments any more.
std::optional<pid_t> process_with_socket(const std::string& socket) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const auto pid = parse_decimal(entry.path().filename().string());
    if (!pid) continue;
    const auto text = read_file(entry.path().string() + "/cmdline");
    if (!text || text->find(socket) == std::string::npos) continue;
    const auto words = split(*text, '\0');
    bool ours = false;
    for (size_t i = 0; i + 1 < words.size(); ++i)
      ours |= words[i] == "-s" && words[i + 1] == socket;
    if (ours) return static_cast<pid_t>(*pid);
  }
  return std::nullopt;
}

// Only async-signal-safe calls: the parent has threads.
[[noreturn]] void exec_bird(char* const* argv, int input, int output, int failure) {
  ::setsid();  // no signal of the agent's terminal or group reaches it
  ::dup2(input, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(number, SIG_DFL);
  ::execvp(argv[0], argv);
  const int error = errno;
  [[maybe_unused]] const ssize_t ignored = ::write(failure, &error, sizeof error);
  ::_exit(127);
}

}  // namespace

BirdProcess::BirdProcess(event::Loop& loop, std::vector<std::string> command, Paths paths,
                         std::function<void(std::string)> ended)
    : loop_(loop),
      command_(std::move(command)),
      paths_(std::move(paths)),
      ended_(std::move(ended)) {}

bool BirdProcess::adopt() {
  if (running()) return true;
  const Result<pid_t> pid = bird_process(paths_.socket);
  if (pid) return watch(*pid, true).has_value();
  const std::optional<pid_t> silent = process_with_socket(paths_.socket);
  return silent && watch(*silent, true);
}

Status BirdProcess::start(bool recover) {
  std::vector<std::string> arguments = command_;
  arguments.insert(arguments.end(), {"-f", "-c", paths_.config, "-s", paths_.socket});
  if (recover) arguments.emplace_back("-R");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  const UniqueFd input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd output(
      ::open(paths_.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!input || !output) return fail_errno(errno, "open " + paths_.output);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  const UniqueFd failure(ends[0]);
  UniqueFd child_end(ends[1]);

  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) exec_bird(argv.data(), input.get(), output.get(), child_end.get());
  child_end.reset();
  int error = 0;
  // Ends at once: by the error, or by exec, which closes the pipe.
  if (::read(failure.get(), &error, sizeof error) == sizeof error) {
    ::waitpid(pid, nullptr, 0);
    return fail_errno(error, "start " + command_.front());
  }
  return watch(pid, false);
}

Status BirdProcess::watch(pid_t pid, bool adopted) {
  CARACAL_ASSIGN(watch_, loop_.watch_child(pid, [this](int code) {
    pid_ = -1;
    ended_(describe_end(code));
  }));
  pid_ = pid;
  adopted_ = adopted;
  return {};
}

void BirdProcess::send_signal(int number) {
  if (running()) ::kill(pid_, number);
}

std::string BirdProcess::last_output() const {
  const auto text = read_file(paths_.output);
  if (!text) return {};
  std::string_view rest = trim(*text);
  const size_t line = rest.rfind('\n');
  return std::string(line == std::string_view::npos ? rest : rest.substr(line + 1));
}

}  // namespace caracal::bgp
