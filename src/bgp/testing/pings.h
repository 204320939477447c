// Pings: fifty pings a second from a pod, until asked how they fared.
#pragma once

#include <sys/types.h>

#include <string>

namespace caracal::bgp::testing {

class Pings {
 public:
  // In this network namespace.
  Pings(const std::string& netns, const std::string& address);
  ~Pings();
  Pings(const Pings&) = delete;
  Pings& operator=(const Pings&) = delete;

  struct Count {
    int sent = 0;
    int answered = 0;
    int lost() const { return sent - answered; }
  };
  // Ends them.
  Count stop();

 private:
  pid_t pid_ = -1;
  std::string output_;
};

}  // namespace caracal::bgp::testing
