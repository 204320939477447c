// Connections in the kernel's words: nfnetlink_conntrack messages
// (include/uapi/linux/netfilter/nfnetlink_conntrack.h). Pure.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>

#include "dataplane/conntrack/connection.h"
#include "netlink/message.h"

namespace caracal::dataplane::conntrack {

// From an answer to a dump; nullopt when a tuple is missing or makes no sense.
std::optional<Connection> parse_connection(const nlmsghdr* message);

// A dump of all connections of both families.
netlink::Message dump_request();
// Appends a request to delete exactly this entry: by its original tuple, its zone and its id.
void put_delete(netlink::MessageBatch& batch, uint32_t sequence, const Connection& connection);

}  // namespace caracal::dataplane::conntrack
