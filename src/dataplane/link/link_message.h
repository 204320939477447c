// Messages about links, addresses and neighbours for pod links (rtnetlink(7), veth(4)). Private to
// this folder. They append to a batch; the caller numbers and sends it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/ip_addr.h"
#include "net/mac_addr.h"
#include "netlink/message.h"
#include "netlink/socket.h"

namespace caracal::dataplane::link {

struct VethSpec {
  std::string host_name;
  net::MacAddr host_mac;
  std::string pod_name;
  std::optional<net::MacAddr> pod_mac;
  int pod_netns = -1;  // descriptor
  uint32_t mtu = 0;
};

// A list of numbered requests, each with words for what it does, sent in one system call.
class RequestBatch {
 public:
  explicit RequestBatch(netlink::Socket& socket) : socket_(socket) {}
  void add_veth(const VethSpec& spec);
  void set_up(uint32_t index);
  // Usable at once: duplicate address detection is left out.
  void add_address(uint32_t index, const net::IpAddr& address, int bits);
  void add_permanent_neighbour(uint32_t index, const net::IpAddr& address, const net::MacAddr& mac);
  // Starts a message of the caller's own and gives its number.
  uint32_t begin(std::string what);
  netlink::MessageBatch& batch() { return batch_; }
  // The first refusal becomes the error, with its words in front.
  Status send();

 private:
  netlink::Socket& socket_;
  netlink::MessageBatch batch_;
  struct Step {
    uint32_t sequence;
    std::string what;
  };
  std::vector<Step> steps_;
};

struct LinkAddress {
  net::IpAddr address;
  int bits = 0;
};
Result<std::vector<LinkAddress>> list_addresses(netlink::Socket& socket, uint32_t index);

}  // namespace caracal::dataplane::link
