#include "cni/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::cni {
namespace {

net::IpAddr ip(std::string_view text) { return net::IpAddr::parse(text).value(); }

AddResult sample() {
  AddResult result;
  result.interfaces = {{"cali1", "ee:ee:ee:ee:ee:ee", "", 1500},
                       {"eth0", "0a:00:00:00:00:01", "/run/netns/x", 1500}};
  result.addresses = {{ip("10.1.0.2"), 32, ip("169.254.1.1"), 1}, {ip("fd00::2"), 128, {}, 1}};
  result.routes = {{net::Cidr::parse("0.0.0.0/0").value(), ip("169.254.1.1")}};
  return result;
}

TEST(AddResult, RendersEachVersion) {
  EXPECT_EQ(
      jsonio::to_string(render(sample(), Version::k1_1_0)),
      R"({"cniVersion":"1.1.0","interfaces":[{"name":"cali1","mac":"ee:ee:ee:ee:ee:ee","mtu":1500},)"
      R"({"name":"eth0","mac":"0a:00:00:00:00:01","mtu":1500,"sandbox":"/run/netns/x"}],)"
      R"("ips":[{"address":"10.1.0.2/32","gateway":"169.254.1.1","interface":1},)"
      R"({"address":"fd00::2/128","interface":1}],)"
      R"("routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"}],"dns":{}})");
  for (const Version old : {Version::k0_3_1, Version::k0_4_0}) {
    const json::value text = render(sample(), old);
    const json::array& ips = jsonio::get_array(text, {"ips"});
    EXPECT_EQ(jsonio::get_string(ips[0], {"version"}), "4");
    EXPECT_EQ(jsonio::get_string(ips[1], {"version"}), "6");
    EXPECT_EQ(jsonio::get(jsonio::get_array(text, {"interfaces"})[0], {"mtu"}), nullptr);
  }
  const json::value v1 = render(sample(), Version::k1_0_0);
  EXPECT_EQ(jsonio::get(jsonio::get_array(v1, {"ips"})[0], {"version"}), nullptr);
}

TEST(AddResult, ReadsBackWhatItRenders) {
  EXPECT_EQ(parse_add_result(render(sample(), kNewest), "prevResult").value(), sample());
}

TEST(AddResult, NamesWhatIsWrong) {
  const auto error = [](std::string_view text) {
    return parse_add_result(jsonio::parse(text).value(), "prevResult").error().message;
  };
  EXPECT_THAT(error(R"({"ips":[{"address":"10.0.0.1/33"}]})"),
              ::testing::HasSubstr("ips[0].address"));
  EXPECT_THAT(error(R"({"ips":[{"address":"10.0.0.1/32","interface":0}]})"),
              ::testing::HasSubstr("ips[0].interface"));
  EXPECT_THAT(error(R"({"routes":[{"dst":"x"}]})"), ::testing::HasSubstr("routes[0].dst"));
  EXPECT_THAT(error("[]"), ::testing::HasSubstr("prevResult"));
}

TEST(AddResult, ChainsBehindAnEarlierPlugin) {
  AddResult earlier;
  earlier.interfaces = {{"br0", "", "", 0}};
  const AddResult both = chain(earlier, sample());
  EXPECT_EQ(both.interfaces.size(), 3u);
  EXPECT_EQ(both.addresses[0].interface, 2u);
}

}  // namespace
}  // namespace caracal::cni
