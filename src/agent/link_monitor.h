// LinkMonitor: the node's network interfaces and their addresses, as they are and as they change.
//
// On the calculation loop, fed by the kernel (rtnetlink notifications). Tells of three things: the
// host's own interfaces (for host endpoints, and to know the node's addresses), that a pod's link
// came or went, and the MTU of the links that lead to other nodes. Nothing is told during open();
// report() tells everything once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/host_links.h"
#include "base/result.h"
#include "event/loop.h"
#include "model/update.h"
#include "netlink/rtnetlink.h"
#include "netlink/socket.h"

namespace caracal::agent {

class LinkMonitor {
 public:
  struct Callbacks {
    std::function<void(const model::HostInterfaceUpdate&)> on_host_interface;
    std::function<void(const std::set<net::IpAddr>&)> on_host_addresses;  // all of the host's
    std::function<void()> on_pod_links;    // links with the prefix came or went
    std::function<void(uint32_t)> on_mtu;  // smallest of the host's own links
    // The host's own interfaces with their addresses, in the order of their index.
    std::function<void(const std::vector<HostLink>&)> on_host_links = {};
  };
  // Links whose name begins with `prefix` are pods'.
  static Result<std::unique_ptr<LinkMonitor>> open(event::Loop& loop, std::string prefix,
                                                   Callbacks callbacks);
  LinkMonitor(const LinkMonitor&) = delete;
  LinkMonitor& operator=(const LinkMonitor&) = delete;

  // Tells what is there; later changes are told by themselves.
  void report();
  // Takes in what the kernel has told by now, without waiting for the loop's turn.
  void refresh();

  // Which interfaces' MTU counts (FelixConfiguration mtuIfacePattern); empty: all of the host's
  // that are no tunnels.
  void set_mtu_pattern(const std::string& pattern);
  const std::vector<HostLink>& host_links() const { return told_links_; }

  bool has_link(const std::string& name) const { return names_.contains(name); }
  std::string name_of(uint32_t index) const;  // empty: no such interface
  uint32_t mtu() const { return mtu_; }

 private:
  struct Interface {
    netlink::Link link;
    std::map<net::IpAddr, int> addresses;  // with the prefix length
  };
  LinkMonitor(std::string prefix, Callbacks callbacks, netlink::Socket events,
              netlink::Socket questions);
  Status list();
  void take(const nlmsghdr* message);
  void take_address(const nlmsghdr* message);
  bool is_pod(const std::string& name) const { return name.starts_with(prefix_); }
  void tell();

  std::string prefix_;
  Callbacks callbacks_;
  netlink::Socket events_;     // subscribed
  netlink::Socket questions_;  // listings: their answers must not mix with notifications
  std::map<uint32_t, Interface> interfaces_;  // by index
  std::map<std::string, uint32_t> names_;
  std::map<std::string, model::HostInterface> told_;
  std::set<net::IpAddr> told_addresses_;
  std::vector<HostLink> told_links_;
  uint32_t mtu_ = 0;
  std::string mtu_pattern_;
  bool pods_changed_ = false;
  bool reporting_ = false;
  event::Handle watch_;
};

}  // namespace caracal::agent
