// PacketLab: a node, pods and an outside world, each a network namespace, to ask the real kernel
// which packets pass. For tests and benchmarks of the dataplane.
//
//   pods --veth-- node (cali..., forwarding) --veth-- outside (any address)
//
// Packets are crafted and counted at the ends' packet sockets; no stack answers, since no end owns
// its addresses. Deterministic without waiting: the thread stays on one CPU, where the kernel
// handles packets in the order they were sent, and an ARP question behind them tells when all are
// through. Everything is gone with the object. One thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "dataplane/nft/testing/packet.h"
#include "netlink/network_namespace.h"

namespace caracal::dataplane::nft_testing {

struct LabPod {
  std::string interface;  // on the node
  std::vector<net::IpAddr> addresses;
};

class PacketLab {
 public:
  static Result<std::unique_ptr<PacketLab>> create(const std::vector<LabPod>& pods);
  ~PacketLab();

  const netlink::NetworkNamespace& node() const { return node_; }
  // The node's own address on each link, of the family.
  static net::IpAddr node_address(net::Family family);

  struct Observation {
    std::vector<bool> arrived;    // by packet: at the end that has the destination address
    std::vector<bool> answered;   // by packet: something that ends like it came back to the sender
    std::vector<bool> elsewhere;  // by packet: at another end than these two (it was rewritten)
    size_t refusals = 0;          // ICMP errors, resets and aborts that anybody got
  };
  // Sends them and tells what became of them. Forgets all tracked connections first.
  Result<Observation> send(std::span<const Packet> packets);
  // The same without forgetting; for packets that belong to known connections.
  Result<Observation> send_more(std::span<const Packet> packets);
  // How long it takes the kernel to work through them; nothing is observed. Forgets connections
  // first.
  Result<std::chrono::nanoseconds> time(std::span<const Packet> packets);

 private:
  struct End {
    std::unique_ptr<netlink::NetworkNamespace> ns;
    UniqueFd socket;
    int index = 0;
    net::MacAddr mac;
    net::MacAddr gateway;
    net::IpAddr address;  // IPv4, to ask by ARP from
  };

  PacketLab(netlink::NetworkNamespace node) : node_(std::move(node)) {}
  Status build(const std::vector<LabPod>& pods);
  Status open_end(End& end);
  Status open_node();
  Status flush_connections();
  Status transmit(const End& end, std::span<const uint8_t> bytes);
  Status transmit_from_node(const Packet& packet, uint32_t cookie);
  // Asks by ARP and waits for the answer: everything sent before is through.
  template <typename Read>
  Status settle(Read&& read);
  const std::string& end_of(const net::IpAddr& address) const;

  netlink::NetworkNamespace node_;
  std::map<std::string, End> ends_;  // "outside" and the pods' interfaces
  std::map<net::IpAddr, std::string> owners_;
  std::map<net::Family, UniqueFd> raw_;  // the node's own
  uint32_t next_cookie_ = 0xca5a0000;
};

}  // namespace caracal::dataplane::nft_testing
