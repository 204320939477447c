// Server: the agent's local socket. One JSON object a line in, one a line out (message.h).
//
// Lives on one loop; the handler runs there and answers then or later. A connection takes its next
// request after the answer to the one before, so answers keep the order, and a client that floods
// fills its own socket buffer only. Mode 0600: whoever can open the socket is root already.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "event/loop.h"
#include "rpc/message.h"

namespace caracal::rpc {

class Server {
 public:
  // To be called at most once, on the loop; a call after the client has gone does nothing.
  using Respond = std::function<void(Reply)>;
  using Handler = std::function<void(Request, Respond)>;

  // Makes the folder when needed, and the socket. A socket file that nobody answers on is replaced.
  // Errors: kConflict when another process listens there, or the path is something else than a
  // socket; kInvalid a path too long for a socket address.
  static Result<std::unique_ptr<Server>> listen(event::Loop& loop, const std::string& path,
                                                Handler handler);
  // Closes every connection and removes the socket file.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  size_t connections() const;

 private:
  struct Impl;
  explicit Server(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace caracal::rpc
