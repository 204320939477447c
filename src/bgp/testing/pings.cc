#include "bgp/testing/pings.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "base/file.h"

namespace caracal::bgp::testing {

Pings::Pings(const std::string& netns, const std::string& address) {
  static int count = 0;
  output_ = fmt::format("/tmp/caracal-pings-{}-{}", ::getpid(), ++count);
  std::array<std::string, 9> words = {"ip", "netns", "exec", netns,  "ping",
                                      "-i", "0.02",  "-q",   address};
  std::array<char*, 10> argv{};
  for (size_t i = 0; i < words.size(); ++i) argv.at(i) = words.at(i).data();
  const int out = ::open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  EXPECT_GE(out, 0);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(out, 1);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(out);
}

Pings::~Pings() {
  if (pid_ > 0) stop();
}

Pings::Count Pings::stop() {
  ::kill(pid_, SIGINT);  // then it tells how they fared
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  const std::string text = read_file(output_).value_or("");
  ::unlink(output_.c_str());
  Count out;
  const size_t line = text.find(" packets transmitted");
  EXPECT_NE(line, std::string::npos) << text;
  if (line == std::string::npos) return out;
  const size_t start = text.rfind('\n', line) + 1;
  EXPECT_EQ(std::sscanf(text.c_str() + start, "%d packets transmitted, %d received", &out.sent,
                        &out.answered),
            2)
      << text;
  return out;
}

}  // namespace caracal::bgp::testing
