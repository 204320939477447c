#include "base/send_pending.h"

#include <sys/socket.h>

#include <cerrno>

namespace caracal {

bool send_pending(int fd, std::string& pending) {
  size_t sent = 0;
  while (sent < pending.size()) {
    const ssize_t n = ::send(fd, pending.data() + sent, pending.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return false;
    if (n < 0) break;
    sent += static_cast<size_t>(n);
  }
  pending.erase(0, sent);
  return true;
}

}  // namespace caracal
