#include "netlink/network_namespace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "base/file.h"
#include "netlink/message.h"
#include "netlink/socket.h"

namespace caracal::netlink {
namespace {

constexpr const char* kNamedFolder = "/run/netns";
constexpr const char* kThreadPath = "/proc/thread-self/ns/net";
constexpr uint32_t kLoopbackIndex = 1;  // fixed by the kernel in every namespace

Result<UniqueFd> open_namespace(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno, fmt::format("network namespace \"{}\"", path));
  struct statfs fs {};
  if (::fstatfs(fd.get(), &fs) != 0 || fs.f_type != NSFS_MAGIC ||
      ::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
    return fail(Errc::kInvalid, fmt::format("\"{}\" is not a network namespace", path));
  return fd;
}

Status loopback_up() {
  CARACAL_ASSIGN(Socket socket, Socket::open(NETLINK_ROUTE));
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = kLoopbackIndex;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  Message message(RTM_NEWLINK, 0, header);
  return socket.request(message.header());
}

}  // namespace

ScopedEnter::~ScopedEnter() {
  if (back_) CARACAL_CHECK(::setns(back_.get(), CLONE_NEWNET) == 0);
}

Result<NetworkNamespace> NetworkNamespace::current() { return open(kThreadPath); }

Result<NetworkNamespace> NetworkNamespace::open(const std::string& path) {
  CARACAL_ASSIGN(UniqueFd fd, open_namespace(path));
  return NetworkNamespace(std::move(fd));
}

Result<NetworkNamespace> NetworkNamespace::create_anonymous() {
  CARACAL_ASSIGN(UniqueFd back, open_namespace(kThreadPath));
  if (::unshare(CLONE_NEWNET) != 0) return fail_errno(errno, "cannot make a network namespace");
  ScopedEnter entered(std::move(back));
  CARACAL_TRY(loopback_up());
  return current();
}

Result<NetworkNamespace> NetworkNamespace::create(const std::string& name) {
  const std::string path = path_of(name);
  if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..")
    return fail(Errc::kInvalid,
                fmt::format("network namespace name \"{}\": must be a file name", name));
  CARACAL_TRY(make_directories(kNamedFolder));
  // The file exists before the namespace is bound to it, as `ip netns add` does it.
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
  if (!file) return fail_errno(errno, fmt::format("cannot make network namespace {}", name));
  auto made = create_anonymous();
  if (!made) {
    ::unlink(path.c_str());
    return fail(made.error().within(fmt::format("network namespace {}", name)));
  }
  if (::mount(made->fd_path().c_str(), path.c_str(), "none", MS_BIND, nullptr) != 0) {
    const int error = errno;
    ::unlink(path.c_str());
    return fail_errno(error, fmt::format("cannot bind network namespace {}", name));
  }
  return made;
}

Status NetworkNamespace::remove(const std::string& name) {
  const std::string path = path_of(name);
  // EINVAL: the file is there but nothing is mounted on it (left by a crash between the two steps).
  if (::umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL)
    return fail_errno(errno, fmt::format("network namespace {}", name));
  if (::unlink(path.c_str()) != 0)
    return fail_errno(errno, fmt::format("network namespace {}", name));
  return {};
}

std::string NetworkNamespace::path_of(const std::string& name) {
  return fmt::format("{}/{}", kNamedFolder, name);
}

std::string NetworkNamespace::fd_path() const {
  return fmt::format("/proc/{}/fd/{}", ::getpid(), fd_.get());
}

bool NetworkNamespace::same_as(const NetworkNamespace& other) const {
  struct stat a {};
  struct stat b {};
  return ::fstat(fd_.get(), &a) == 0 && ::fstat(other.fd_.get(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

Result<ScopedEnter> NetworkNamespace::enter() const {
  CARACAL_ASSIGN(UniqueFd back, open_namespace(kThreadPath));
  if (::setns(fd_.get(), CLONE_NEWNET) != 0)
    return fail_errno(errno, "cannot enter a network namespace");
  return ScopedEnter(std::move(back));
}

}  // namespace caracal::netlink
