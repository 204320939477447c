// NetworkNamespace: a handle on a network namespace, and ways to be inside one for a moment.
//
// Entering changes the calling thread only. A namespace lives as long as somebody holds it: a
// process or socket inside, this handle, or a name (a bind mount under /run/netns, as `ip netns`
// makes them).
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace caracal::netlink {

// While it lives the calling thread is in the namespace; the destructor goes back. A thread that
// cannot go back would do its further work in the wrong place: that ends the process.
class ScopedEnter {
 public:
  ScopedEnter(ScopedEnter&&) noexcept = default;
  ScopedEnter& operator=(ScopedEnter&&) = delete;
  ~ScopedEnter();

 private:
  friend class NetworkNamespace;
  explicit ScopedEnter(UniqueFd back) : back_(std::move(back)) {}
  UniqueFd back_;
};

class NetworkNamespace {
 public:
  // The calling thread's.
  static Result<NetworkNamespace> current();
  // By path: /run/netns/NAME, /proc/PID/ns/net, ... Errors: kNotFound; kInvalid when the path is
  // something else than a network namespace.
  static Result<NetworkNamespace> open(const std::string& path);
  // A new one without a name, its loopback up. It is gone with the last handle.
  static Result<NetworkNamespace> create_anonymous();
  // A new one, bound to /run/netns/NAME, its loopback up. Errors: kExists.
  static Result<NetworkNamespace> create(const std::string& name);
  // Takes the name away. Errors: kNotFound.
  static Status remove(const std::string& name);
  static std::string path_of(const std::string& name);

  NetworkNamespace(NetworkNamespace&&) noexcept = default;
  NetworkNamespace& operator=(NetworkNamespace&&) noexcept = default;

  int fd() const { return fd_.get(); }
  // A path other processes of this user can open while this handle lives: /proc/PID/fd/N.
  std::string fd_path() const;
  bool same_as(const NetworkNamespace& other) const;

  Result<ScopedEnter> enter() const;

  // Calls `function` (which returns a Status or Result) inside, on the calling thread.
  template <typename F>
  std::invoke_result_t<F> run(F&& function) const {
    auto entered = enter();
    if (!entered) return fail(std::move(entered).error());
    return std::forward<F>(function)();
  }

 private:
  explicit NetworkNamespace(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace caracal::netlink
