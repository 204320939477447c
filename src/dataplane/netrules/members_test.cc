#include "dataplane/netrules/members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace caracal::dataplane::netrules {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> texts(const desired::NetworkRules& rules, NetSet set) {
  std::vector<std::string> out;
  for (const Member& member : members_of(rules))
    if (member.set == set) out.push_back(member.to_string());
  return out;
}
std::set<net::Cidr> cidrs(std::initializer_list<const char*> texts) {
  std::set<net::Cidr> out;
  for (const char* text : texts) out.insert(*net::Cidr::parse(text));
  return out;
}

TEST(MembersTest, PrefixesThatTouchOrNestAreOneInterval) {
  desired::NetworkRules rules;
  rules.nat_sources =
      cidrs({"10.0.0.0/16", "10.0.4.0/24", "10.1.0.0/16", "10.3.0.0/16", "255.255.0.0/16",
             "255.255.255.0/24", "fd00::/64", "fd00:0:0:1::/64", "ffff::/16"});
  EXPECT_THAT(
      texts(rules, NetSet::kNatSources4),
      ElementsAre("10.0.0.0-10.1.255.255", "10.3.0.0-10.3.255.255", "255.255.0.0-255.255.255.255"));
  EXPECT_THAT(texts(rules, NetSet::kNatSources6),
              ElementsAre("fd00::-fd00::1:ffff:ffff:ffff:ffff",
                          "ffff::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  rules.nat_sources = cidrs({"0.0.0.0/0", "10.0.0.0/8", "::/0"});
  EXPECT_THAT(texts(rules, NetSet::kNatSources4), ElementsAre("0.0.0.0-255.255.255.255"));
}

TEST(MembersTest, HostsAreInAHash) {
  desired::NetworkRules rules;
  rules.nat_sources = cidrs({"10.0.0.0/16"});
  rules.no_nat = cidrs({"10.0.0.0/8", "192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128"});
  EXPECT_THAT(texts(rules, NetSet::kNoNat4), ElementsAre("10.0.0.0-10.255.255.255"));
  EXPECT_THAT(texts(rules, NetSet::kNoNatHosts4), ElementsAre("192.0.2.1", "192.0.2.2"));
  EXPECT_THAT(texts(rules, NetSet::kNoNatHosts6), IsEmpty());  // no source of IPv6
}

TEST(MembersTest, NodesOnlyWithATunnel) {
  desired::NetworkRules rules;
  rules.nodes = {*net::IpAddr::parse("192.0.2.1"), *net::IpAddr::parse("2001:db8::1")};
  EXPECT_THAT(members_of(rules), IsEmpty());
  rules.ipip = true;
  EXPECT_THAT(texts(rules, NetSet::kNodes4), ElementsAre("192.0.2.1"));
  EXPECT_THAT(texts(rules, NetSet::kNodes6), ElementsAre("2001:db8::1"));
}

}  // namespace
}  // namespace caracal::dataplane::netrules
