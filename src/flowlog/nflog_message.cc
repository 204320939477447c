#include "flowlog/nflog_message.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <sys/socket.h>

#include "dataplane/nft/log_groups.h"
#include "netlink/attributes.h"

namespace caracal::flowlog {
namespace {

uint16_t message_type(int type) { return static_cast<uint16_t>((NFNL_SUBSYS_ULOG << 8) | type); }

nfgenmsg group_header(uint16_t group) {
  nfgenmsg header{};
  header.nfgen_family = AF_UNSPEC;
  header.version = NFNETLINK_V0;
  header.res_id = htons(group);
  return header;
}

}  // namespace

std::optional<Capture> parse_capture(const nlmsghdr* message) {
  if (message->nlmsg_type != message_type(NFULNL_MSG_PACKET) ||
      netlink::header_of<nfgenmsg>(message) == nullptr) {
    return std::nullopt;
  }
  Capture out;
  for (const netlink::Attribute& a : netlink::Attributes(message, sizeof(nfgenmsg))) {
    switch (a.type) {
      case NFULA_PREFIX:
        out.prefix = a.string();
        break;
      case NFULA_IFINDEX_INDEV:
        out.in_index = a.be32().value_or(0);
        break;
      case NFULA_IFINDEX_OUTDEV:
        out.out_index = a.be32().value_or(0);
        break;
      case NFULA_SEQ:
        out.sequence = a.be32();
        break;
      case NFULA_PAYLOAD:
        out.payload = a.payload;
        break;
      default:
        break;
    }
  }
  if (out.payload.empty()) return std::nullopt;
  return out;
}

netlink::Message bind_request(uint16_t group) {
  netlink::Message message(message_type(NFULNL_MSG_CONFIG), 0, group_header(group));
  nfulnl_msg_config_cmd command{};
  command.command = NFULNL_CFG_CMD_BIND;
  message.put(NFULA_CFG_CMD, &command, sizeof command);
  return message;
}

netlink::Message mode_request(uint16_t group) {
  netlink::Message message(message_type(NFULNL_MSG_CONFIG), 0, group_header(group));
  nfulnl_msg_config_mode mode{};
  mode.copy_mode = NFULNL_COPY_PACKET;
  mode.copy_range = htonl(dataplane::nft::kLogSnapLength);
  message.put(NFULA_CFG_MODE, &mode, sizeof mode);
  message.put_be32(NFULA_CFG_TIMEOUT, 10);  // hundredths of a second
  message.put_be32(NFULA_CFG_QTHRESH, 64);  // packets
  message.put_be32(NFULA_CFG_NLBUFSIZ, 32 * 1024);
  message.put_u16(NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
  return message;
}

}  // namespace caracal::flowlog
