// Against the real kernel, in network namespaces of the test's own.
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <unistd.h>

#include "netlink/attributes.h"
#include "netlink/message.h"
#include "netlink/network_namespace.h"
#include "netlink/rtnetlink.h"
#include "netlink/socket.h"

namespace caracal::netlink {
namespace {

Status add_dummy(Socket& socket, const std::string& name) {
  ifinfomsg header{};
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, header);
  message.put_string(IFLA_IFNAME, name);
  const size_t nest = message.begin_nest(IFLA_LINKINFO);
  message.put_string(IFLA_INFO_KIND, "veth");
  message.end_nest(nest);
  return socket.request(message.header());
}

TEST(NetlinkRootTest, EnteringAndLeavingChangesTheThreadOnly) {
  auto here = NetworkNamespace::current();
  ASSERT_TRUE(here) << here.error().message;
  auto other = NetworkNamespace::create_anonymous();
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_FALSE(here->same_as(*other));
  EXPECT_TRUE(here->same_as(*NetworkNamespace::current()));
  const Status inside = other->run([&]() -> Status {
    CARACAL_ASSIGN(const NetworkNamespace now, NetworkNamespace::current());
    EXPECT_TRUE(now.same_as(*other));
    return {};
  });
  EXPECT_TRUE(inside);
  EXPECT_TRUE(here->same_as(*NetworkNamespace::current()));
}

TEST(NetlinkRootTest, NamedNamespacesComeAndGo) {
  const std::string name = "crl-t-" + std::to_string(::getpid()) + "-named";
  auto made = NetworkNamespace::create(name);
  ASSERT_TRUE(made) << made.error().message;
  auto opened = NetworkNamespace::open(NetworkNamespace::path_of(name));
  ASSERT_TRUE(opened);
  EXPECT_TRUE(made->same_as(*opened));
  EXPECT_EQ(NetworkNamespace::create(name).error().code, Errc::kExists);
  EXPECT_TRUE(NetworkNamespace::remove(name));
  EXPECT_EQ(NetworkNamespace::remove(name).error().code, Errc::kNotFound);
  EXPECT_EQ(NetworkNamespace::open(NetworkNamespace::path_of(name)).error().code, Errc::kNotFound);
  EXPECT_EQ(NetworkNamespace::open("/proc/self/exe").error().code, Errc::kInvalid);
  EXPECT_EQ(NetworkNamespace::create("a/b").error().code, Errc::kInvalid);
}

TEST(NetlinkRootTest, SocketStaysInTheNamespaceItWasOpenedIn) {
  auto ns = NetworkNamespace::create_anonymous();
  ASSERT_TRUE(ns);
  auto socket = Socket::open_in(*ns, NETLINK_ROUTE);
  ASSERT_TRUE(socket) << socket.error().message;
  ASSERT_TRUE(add_dummy(*socket, "crl0"));
  auto link = get_link(*socket, "crl0");
  ASSERT_TRUE(link) << link.error().message;
  EXPECT_EQ(link->kind, "veth");
  EXPECT_FALSE(link->up());
  EXPECT_TRUE(set_link_up(*socket, link->index));
  EXPECT_TRUE(get_link(*socket, "crl0")->up());
  EXPECT_TRUE(get_link(*socket, "lo")->up());
  EXPECT_EQ(list_links(*socket)->size(), 3u);  // lo and both ends

  auto outside = Socket::open(NETLINK_ROUTE);
  ASSERT_TRUE(outside);
  EXPECT_EQ(get_link(*outside, "crl0").error().code, Errc::kNotFound);

  auto again = add_dummy(*socket, "crl0");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kExists);
  EXPECT_TRUE(delete_link(*socket, "crl0"));
  EXPECT_EQ(delete_link(*socket, "crl0").error().code, Errc::kNotFound);
}

TEST(NetlinkRootTest, ExchangeTellsWhichMessageWasRefusedAndWhy) {
  auto ns = NetworkNamespace::create_anonymous();
  auto socket = Socket::open_in(*ns, NETLINK_ROUTE);
  ASSERT_TRUE(socket);
  MessageBatch batch;
  std::vector<uint32_t> sequences;
  for (const int index : {1, 77, 1}) {
    ifinfomsg header{};
    header.ifi_index = index;
    header.ifi_flags = IFF_UP;
    header.ifi_change = IFF_UP;
    sequences.push_back(socket->next_sequence());
    batch.begin(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, sequences.back(), header);
  }
  auto refusals = socket->exchange(batch.bytes());
  ASSERT_TRUE(refusals) << refusals.error().message;
  ASSERT_EQ(refusals->size(), 1u);
  EXPECT_EQ(refusals->front().sequence, sequences[1]);
  EXPECT_EQ(refusals->front().error_number, ENODEV);

  // The kernel's own words come along with an error.
  ifinfomsg header{};
  Message bad(RTM_NEWLINK, NLM_F_CREATE, header);
  bad.put_string(IFLA_IFNAME, "crl1");
  const size_t nest = bad.begin_nest(IFLA_LINKINFO);
  bad.put_string(IFLA_INFO_KIND, "nosuchkind");
  bad.end_nest(nest);
  auto refused = socket->request(bad.header());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnsupported);
  EXPECT_NE(refused.error().message.find("("), std::string::npos) << refused.error().message;
}

TEST(NetlinkRootTest, SubscriberHearsOfChanges) {
  auto ns = NetworkNamespace::create_anonymous();
  auto socket = Socket::open_in(*ns, NETLINK_ROUTE);
  auto listener = Socket::open_in(*ns, NETLINK_ROUTE);
  ASSERT_TRUE(listener);
  ASSERT_TRUE(listener->subscribe(RTNLGRP_LINK));
  size_t heard = 0;
  const auto count = [&](const nlmsghdr* message) -> Status {
    if (message->nlmsg_type == RTM_NEWLINK) ++heard;
    return {};
  };
  ASSERT_TRUE(listener->drain(count));
  EXPECT_EQ(heard, 0u);
  ASSERT_TRUE(add_dummy(*socket, "crl0"));
  pollfd poll_for{listener->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&poll_for, 1, 60'000), 1);
  ASSERT_TRUE(listener->drain(count));
  EXPECT_GE(heard, 1u);
}

}  // namespace
}  // namespace caracal::netlink
