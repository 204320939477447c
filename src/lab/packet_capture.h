// PacketCapture: every packet on every device of several network namespaces at once, with the
// kernel's time stamps. Raw packet sockets, opened inside, read from outside; what comes in is seen
// before the kernel's own rules, what goes out behind them. Needs CAP_NET_RAW. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace caracal::lab {

// Where packets are looked at.
struct CapturePlace {
  std::string name;    // "node1", "dev/pod1"
  std::string netns;   // path; empty: ours
  std::string device;  // only this one; empty: all
};

struct CapturedPacket {
  int64_t time = 0;  // nanoseconds since 1970, all namespaces by one clock
  size_t place = 0;  // of the places given
  std::string device;
  bool outgoing = false;
  bool bare = false;           // the device has no link layer: the far side of a tunnel
  std::vector<uint8_t> bytes;  // from the network header on, at most kKept
};

class PacketCapture {
 public:
  static constexpr size_t kKept = 512;

  static Result<PacketCapture> open(const std::vector<CapturePlace>& places);
  // Takes what has come; never blocks. `fds` become readable when there is something.
  void drain(std::vector<CapturedPacket>& out);
  std::vector<int> fds() const;
  // Packets that the kernel could not keep for us.
  uint64_t lost() const;

 private:
  struct Socket {
    UniqueFd fd;
    std::map<int, std::string> devices;  // by index
  };
  std::vector<Socket> sockets_;
};

}  // namespace caracal::lab
