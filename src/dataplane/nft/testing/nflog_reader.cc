#include "dataplane/nft/testing/nflog_reader.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "netlink/attributes.h"
#include "netlink/message.h"

namespace caracal::dataplane::nft_testing {
namespace {

Status configure(int fd, uint16_t group) {
  netlink::MessageBatch batch;
  nfgenmsg header{};
  header.version = NFNETLINK_V0;
  header.res_id = htons(group);
  const auto begin = [&](uint32_t sequence) {
    batch.begin(NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, sequence,
                header);
  };
  begin(1);
  nfulnl_msg_config_cmd bind{NFULNL_CFG_CMD_BIND};
  batch.put(NFULA_CFG_CMD, &bind, sizeof bind);
  begin(2);
  nfulnl_msg_config_mode mode{};
  mode.copy_range = htonl(0xffff);
  mode.copy_mode = NFULNL_COPY_PACKET;
  batch.put(NFULA_CFG_MODE, &mode, sizeof mode);
  batch.put_be32(NFULA_CFG_QTHRESH, 1);
  if (::send(fd, batch.bytes().data(), batch.bytes().size(), 0) < 0)
    return fail_errno(errno, "cannot bind a NFLOG group");
  for (int acknowledged = 0; acknowledged < 2;) {
    std::array<char, 4096> buffer{};
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (size < 0) return fail_errno(errno, "cannot bind a NFLOG group");
    int rest = static_cast<int>(size);
    for (auto* m = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(m, rest);
         m = mnl_nlmsg_next(m, &rest)) {
      if (m->nlmsg_type != NLMSG_ERROR) continue;
      const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(m));
      if (error->error != 0) return fail_errno(-error->error, "cannot bind a NFLOG group");
      ++acknowledged;
    }
  }
  return {};
}

}  // namespace

Result<NflogReader> NflogReader::open_in(const netlink::NetworkNamespace& ns, uint16_t group) {
  return ns.run([&]() -> Result<NflogReader> {
    UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!fd) return fail_errno(errno, "cannot open a netlink socket");
    CARACAL_TRY(configure(fd.get(), group));
    return NflogReader(std::move(fd));
  });
}

Result<std::vector<NflogMessage>> NflogReader::take() {
  std::vector<NflogMessage> out;
  std::vector<char> buffer(1 << 17);
  for (;;) {
    const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return out;
    if (size < 0) return fail_errno(errno, "cannot read a NFLOG group");
    int rest = static_cast<int>(size);
    for (auto* m = reinterpret_cast<nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(m, rest);
         m = mnl_nlmsg_next(m, &rest)) {
      if (m->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET)) continue;
      NflogMessage message;
      for (const netlink::Attribute& a : netlink::Attributes(m, sizeof(nfgenmsg))) {
        if (a.type == NFULA_PREFIX) message.prefix = a.string();
        if (a.type == NFULA_IFINDEX_INDEV) message.in = a.be32().value_or(0);
        if (a.type == NFULA_IFINDEX_OUTDEV) message.out = a.be32().value_or(0);
        if (a.type == NFULA_PAYLOAD) {
          message.packet.resize(a.payload.size());
          std::memcpy(message.packet.data(), a.payload.data(), a.payload.size());
        }
      }
      out.push_back(std::move(message));
    }
  }
}

}  // namespace caracal::dataplane::nft_testing
