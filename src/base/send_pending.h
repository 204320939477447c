// Sending what waits for a socket that must not block: the servers of the event loops.
#pragma once

#include <string>

namespace caracal {

// Sends as much of `pending` as the socket takes now, and takes that off. False when the connection
// is broken. Never raises SIGPIPE.
bool send_pending(int fd, std::string& pending);

}  // namespace caracal
