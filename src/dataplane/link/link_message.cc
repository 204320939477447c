#include "dataplane/link/link_message.h"

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include <algorithm>

#include "netlink/attributes.h"

namespace caracal::dataplane::link {
namespace {

constexpr uint16_t kRequest = NLM_F_REQUEST | NLM_F_ACK;
constexpr uint16_t kCreate = kRequest | NLM_F_CREATE | NLM_F_EXCL;
constexpr int kAttempts = 5;

uint8_t family_of(const net::IpAddr& address) { return address.is_v4() ? AF_INET : AF_INET6; }

}  // namespace

uint32_t RequestBatch::begin(std::string what) {
  steps_.push_back({socket_.next_sequence(), std::move(what)});
  return steps_.back().sequence;
}

void RequestBatch::add_veth(const VethSpec& spec) {
  const uint32_t sequence =
      begin(fmt::format("cannot make veth pair {} - {}", spec.host_name, spec.pod_name));
  batch_.begin(RTM_NEWLINK, kCreate, sequence, ifinfomsg{});
  batch_.put_string(IFLA_IFNAME, spec.host_name);
  batch_.put_u32(IFLA_MTU, spec.mtu);
  batch_.put(IFLA_ADDRESS, spec.host_mac.bytes.data(), spec.host_mac.bytes.size());
  const size_t info = batch_.begin_nest(IFLA_LINKINFO);
  batch_.put_string(IFLA_INFO_KIND, "veth");
  const size_t data = batch_.begin_nest(IFLA_INFO_DATA);
  const size_t peer = batch_.begin_nest(VETH_INFO_PEER);
  const ifinfomsg header{};
  batch_.put_raw(&header, sizeof header);
  batch_.put_string(IFLA_IFNAME, spec.pod_name);
  batch_.put_u32(IFLA_MTU, spec.mtu);
  if (spec.pod_mac)
    batch_.put(IFLA_ADDRESS, spec.pod_mac->bytes.data(), spec.pod_mac->bytes.size());
  batch_.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(spec.pod_netns));
  batch_.end_nest(peer);
  batch_.end_nest(data);
  batch_.end_nest(info);
}

void RequestBatch::set_up(uint32_t index) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(index);
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  batch_.begin(RTM_NEWLINK, kRequest, begin(fmt::format("cannot set interface {} up", index)),
               header);
}

void RequestBatch::add_address(uint32_t index, const net::IpAddr& address, int bits) {
  ifaddrmsg header{};
  header.ifa_family = family_of(address);
  header.ifa_prefixlen = static_cast<uint8_t>(bits);
  header.ifa_index = index;
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  const auto sequence = begin(fmt::format("cannot add address {}/{}", address.to_string(), bits));
  batch_.begin(RTM_NEWADDR, kCreate, sequence, header);
  batch_.put(IFA_LOCAL, address.data(), address.size());
  batch_.put(IFA_ADDRESS, address.data(), address.size());
  if (address.is_v6()) batch_.put_u32(IFA_FLAGS, IFA_F_NODAD);
}

void RequestBatch::add_permanent_neighbour(uint32_t index, const net::IpAddr& address,
                                           const net::MacAddr& mac) {
  ndmsg header{};
  header.ndm_family = family_of(address);
  header.ndm_ifindex = static_cast<int>(index);
  header.ndm_state = NUD_PERMANENT;
  const auto sequence = begin(fmt::format("cannot add neighbour {}", address.to_string()));
  batch_.begin(RTM_NEWNEIGH, kRequest | NLM_F_CREATE | NLM_F_REPLACE, sequence, header);
  batch_.put(NDA_DST, address.data(), address.size());
  batch_.put(NDA_LLADDR, mac.bytes.data(), mac.bytes.size());
}

Status RequestBatch::send() {
  if (batch_.empty()) return {};
  CARACAL_ASSIGN(const std::vector<netlink::Refusal> refusals, socket_.exchange(batch_.bytes()));
  if (refusals.empty()) return {};
  const netlink::Refusal& refusal = refusals.front();
  const auto step = std::find_if(steps_.begin(), steps_.end(),
                                 [&](const Step& s) { return s.sequence == refusal.sequence; });
  auto error =
      fail_errno(refusal.error_number,
                 step == steps_.end() ? std::string("kernel refused a request") : step->what);
  if (!refusal.text.empty()) error.value().message += fmt::format(" ({})", refusal.text);
  return error;
}

Result<std::vector<LinkAddress>> list_addresses(netlink::Socket& socket, uint32_t index) {
  for (int attempt = 1;; ++attempt) {
    std::vector<LinkAddress> out;
    ifaddrmsg header{};
    header.ifa_family = AF_UNSPEC;
    netlink::Message message(RTM_GETADDR, NLM_F_DUMP, header);
    auto asked = socket.query(message.header(), [&](const nlmsghdr* answer) -> Status {
      const auto* found = netlink::header_of<ifaddrmsg>(answer);
      if (answer->nlmsg_type != RTM_NEWADDR || found == nullptr || found->ifa_index != index)
        return {};
      const netlink::Attributes attributes(answer, sizeof *found);
      // IPv4 tells its own address in IFA_LOCAL, IPv6 in IFA_ADDRESS.
      auto attribute = attributes.find(IFA_LOCAL);
      if (!attribute) attribute = attributes.find(IFA_ADDRESS);
      if (!attribute || (attribute->payload.size() != 4 && attribute->payload.size() != 16))
        return {};
      out.push_back({net::IpAddr::from_bytes(attribute->payload.data(), attribute->payload.size()),
                     found->ifa_prefixlen});
      return {};
    });
    if (asked) return out;
    if (asked.error().code != Errc::kUnavailable || attempt == kAttempts)
      return fail(asked.error().within("cannot list addresses"));
  }
}

}  // namespace caracal::dataplane::link
