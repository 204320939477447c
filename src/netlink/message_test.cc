#include "netlink/message.h"

#include <gtest/gtest.h>

#include <array>

#include "netlink/attributes.h"

namespace caracal::netlink {
namespace {

struct Header {
  uint32_t a = 0;
};

TEST(MessageTest, AttributesComeBackAsWritten) {
  Message message(7, NLM_F_ACK, Header{42});
  message.put_u8(1, 200);
  message.put_string(2, "eth0");
  const size_t nest = message.begin_nest(3);
  message.put_be32(1, 0x01020304);
  message.put_flag(5);
  message.end_nest(nest);
  message.put_u16(4, 9);

  const nlmsghdr* header = message.header();
  EXPECT_EQ(header->nlmsg_len, message.size());
  EXPECT_EQ(header->nlmsg_flags, NLM_F_ACK | NLM_F_REQUEST);
  EXPECT_EQ(header_of<Header>(header)->a, 42u);
  const Attributes attributes(header, sizeof(Header));
  EXPECT_EQ(attributes.find(1)->u8(), 200);
  EXPECT_EQ(attributes.find(2)->string(), "eth0");
  EXPECT_EQ(attributes.find(2)->payload.size(), 5u);
  EXPECT_EQ(attributes.find(4)->u16(), 9);
  EXPECT_EQ(attributes.find(9), std::nullopt);
  const Attributes inner(*attributes.find(3));
  EXPECT_EQ(inner.find(1)->be32(), 0x01020304u);
  EXPECT_TRUE(inner.find(5)->payload.empty());
  EXPECT_EQ(inner.find(5)->u32(), std::nullopt);
}

TEST(MessageTest, BatchKeepsEachMessagesLength) {
  MessageBatch batch;
  batch.begin(1, 0, 10, Header{});
  batch.put_u8(1, 1);
  batch.begin(2, 0, 11, Header{});
  batch.put_u32(1, 1);
  EXPECT_EQ(batch.count(), 2u);
  const auto* first = reinterpret_cast<const nlmsghdr*>(batch.bytes().data());
  EXPECT_EQ(first->nlmsg_len, sizeof(nlmsghdr) + 4 + 8);
  EXPECT_EQ(batch.message()->nlmsg_seq, 11u);
  EXPECT_EQ(first->nlmsg_len + batch.message()->nlmsg_len, batch.size());
}

// Whatever bytes stand there, reading attributes stays inside them and ends.
TEST(MessageTest, CutAttributesEndTheWalk) {
  Message message(7, 0, Header{});
  message.put_string(2, "a rather long text");
  message.put_u32(3, 5);
  for (size_t size = 0; size <= message.size() - sizeof(nlmsghdr) - sizeof(Header); ++size) {
    const Attributes attributes(message.bytes().subspan(sizeof(nlmsghdr) + sizeof(Header), size));
    size_t count = 0;
    for (const Attribute& attribute : attributes) {
      EXPECT_LE(attribute.payload.size(), size);
      ++count;
    }
    EXPECT_LE(count, 2u);
  }
  const std::array<uint16_t, 2> zero_length = {0, 1};
  EXPECT_EQ(Attributes(std::as_bytes(std::span(zero_length))).find(1), std::nullopt);
}

}  // namespace
}  // namespace caracal::netlink
