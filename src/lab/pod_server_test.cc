#include "lab/pod_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::lab {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(HttpAnswer, NamesThePod) {
  bool keep = false;
  const std::string answer =
      http_answer("GET /hostname.html HTTP/1.1\r\nHost: x\r\n", "pod1", keep);
  EXPECT_TRUE(keep);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\npod1\n"));
}

TEST(HttpAnswer, GreetsOnEveryOtherPathAndHeadHasNoBody) {
  bool keep = false;
  EXPECT_THAT(http_answer("GET /any HTTP/1.1\r\n", "pod1", keep),
              EndsWith("Hello MyApp | Version: v1 | <a href=\"hostname.html\">Pod Name</a>\n"));
  EXPECT_THAT(http_answer("HEAD / HTTP/1.1\r\n", "pod1", keep), EndsWith("\r\n\r\n"));
}

TEST(HttpAnswer, ClosesWhenAskedOrWhenABodyWouldFollow) {
  for (const char* head : {"GET / HTTP/1.0\r\n", "GET / HTTP/1.1\r\nConnection: Close\r\n",
                           "POST / HTTP/1.1\r\nContent-Length: 3\r\n"}) {
    bool keep = true;
    EXPECT_THAT(http_answer(head, "pod1", keep), HasSubstr("Connection: close"));
    EXPECT_FALSE(keep) << head;
  }
}

TEST(HttpAnswer, RefusesWhatIsNotHttp) {
  bool keep = true;
  EXPECT_THAT(http_answer("hello\r\n", "pod1", keep), StartsWith("HTTP/1.1 400"));
  EXPECT_FALSE(keep);
}

TEST(ParseServedPort, TakesProtocolAndNumberOnly) {
  ServedPort port;
  ASSERT_TRUE(parse_served_port("UDP:53", port));
  EXPECT_EQ(port, (ServedPort{ServedPort::Protocol::kUdp, 53}));
  for (const char* bad : {"", "80", "TCP:", "TCP:0", "TCP:65536", "ICMP:1", "TCP:8a", "TCP:-1"}) {
    EXPECT_FALSE(parse_served_port(bad, port)) << bad;
  }
}

}  // namespace
}  // namespace caracal::lab
