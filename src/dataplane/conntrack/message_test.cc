#include "dataplane/conntrack/message.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "netlink/attributes.h"

namespace caracal::dataplane::conntrack {
namespace {

using netlink::Attributes;

Connection sample(const char* source, const char* destination, const char* backend) {
  Connection out;
  out.original.source = *net::IpAddr::parse(source);
  out.original.destination = *net::IpAddr::parse(destination);
  out.original.protocol = net::kTcp;
  out.original.source_port = 40000;
  out.original.destination_port = 80;
  out.reply = out.original;
  out.reply.source = *net::IpAddr::parse(backend);
  out.reply.destination = out.original.source;
  out.reply.source_port = 8080;
  out.reply.destination_port = 40000;
  out.id = 0xdeadbeef;
  return out;
}

TEST(ConntrackMessage, SaysWhatPolicySees) {
  EXPECT_EQ(to_string(sample("10.0.0.1", "10.96.0.1", "10.0.0.2")),
            "TCP 10.0.0.1:40000 -> 10.0.0.2:8080");
  EXPECT_EQ(to_string(sample("fd00::1", "fd00::ffff", "fd00::2")),
            "TCP [fd00::1]:40000 -> [fd00::2]:8080");
  Connection ping = sample("10.0.0.1", "10.0.0.2", "10.0.0.2");
  ping.original.protocol = net::kIcmp;
  EXPECT_EQ(to_string(ping), "ICMP 10.0.0.1 -> 10.0.0.2");
}

// The tuple of a request to delete reads back as the one it was made of, and names zone and id.
TEST(ConntrackMessage, NamesAnEntryExactly) {
  for (const bool of_original : {false, true}) {
    for (const uint8_t protocol : std::initializer_list<uint8_t>{6, 17, 132, 1, 58, 47}) {
      const bool v6 = protocol == 58;
      Connection one = v6 ? sample("fd00::1", "fd00::2", "fd00::2")
                          : sample("10.0.0.1", "10.96.0.1", "10.0.0.2");
      one.original.protocol = one.reply.protocol = net::Protocol{protocol};
      if (protocol == 1 || protocol == 58) {
        one.original.source_port = one.original.destination_port = 0;
        one.original.icmp_id = 7;
        one.original.icmp_type = v6 ? 128 : 8;
        one.original.icmp_code = 3;
      }
      one.zone = 5;
      one.zone_of_original = of_original;
      netlink::MessageBatch batch;
      put_delete(batch, 9, one);
      const nlmsghdr* message = batch.message();
      EXPECT_EQ(message->nlmsg_type, (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE);
      EXPECT_EQ(message->nlmsg_flags & NLM_F_DUMP, 0) << "that would empty the whole table";
      const Attributes attributes(message, sizeof(nfgenmsg));
      EXPECT_EQ(attributes.find(CTA_ID)->be32(), one.id);
      EXPECT_EQ(attributes.find(CTA_ZONE).has_value(), !of_original);
      // As the kernel would answer: the same tuple and a reply.
      netlink::MessageBatch answer;
      nfgenmsg header{};
      answer.begin((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW, 0, 1, header);
      for (const auto& a : attributes) answer.put(a.type, a.payload.data(), a.payload.size());
      const auto original = attributes.find(CTA_TUPLE_ORIG);
      answer.put(CTA_TUPLE_REPLY, original->payload.data(), original->payload.size());
      answer.put_be32(CTA_STATUS, IPS_EXPECTED | IPS_CONFIRMED);
      const auto parsed = parse_connection(answer.message());
      ASSERT_TRUE(parsed) << int{protocol};
      EXPECT_EQ(parsed->original, one.original);
      EXPECT_EQ(parsed->zone, 5);
      EXPECT_EQ(parsed->zone_of_original, of_original);
      EXPECT_EQ(parsed->id, one.id);
      EXPECT_TRUE(parsed->expected);
    }
  }
}

TEST(ConntrackMessage, RefusesHalves) {
  netlink::MessageBatch batch;
  put_delete(batch, 1, sample("10.0.0.1", "10.0.0.2", "10.0.0.2"));
  EXPECT_FALSE(parse_connection(batch.message())) << "no reply tuple";
  netlink::Message dump = dump_request();
  EXPECT_FALSE(parse_connection(dump.header()));
  EXPECT_EQ(dump.header()->nlmsg_flags & NLM_F_DUMP, NLM_F_DUMP);
}

}  // namespace
}  // namespace caracal::dataplane::conntrack
