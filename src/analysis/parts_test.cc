#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "analysis/address_space.h"
#include "analysis/connectivity.h"
#include "analysis/pod_classes.h"
#include "analysis/port_text.h"
#include "analysis/range_set.h"

namespace caracal::analysis {
namespace {

using policy::PortSet;

RangeSet random_set(std::mt19937& random) {
  std::vector<uint32_t> points;
  for (uint32_t i = 0; i < 40; ++i) {
    if (random() % 3 == 0) points.push_back(i);
  }
  std::shuffle(points.begin(), points.end(), random);
  if (!points.empty()) points.push_back(points.front());  // a repeat
  return RangeSet::from_points(points);
}

TEST(RangeSet, IsASet) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    const RangeSet a = random_set(random);
    const RangeSet b = random_set(random);
    const RangeSet both = intersect(a, b);
    const RangeSet either = unite(a, b);
    const RangeSet rest = subtract(a, b);
    for (uint32_t i = 0; i < 42; ++i) {
      EXPECT_EQ(both.contains(i), a.contains(i) && b.contains(i));
      EXPECT_EQ(either.contains(i), a.contains(i) || b.contains(i));
      EXPECT_EQ(rest.contains(i), a.contains(i) && !b.contains(i));
    }
    EXPECT_EQ(both.count() + rest.count(), a.count());
    // Equal sets look alike.
    EXPECT_EQ(unite(both, rest), a);
  }
}

TEST(AddressSpace, TellsApartWhatSetsTellApart) {
  AddressSpace space;
  const auto range = [](const char* cidr) { return range_of(*net::Cidr::parse(cidr)); };
  const auto a = space.add({range("10.0.0.0/8"), range("192.168.0.0/16")});
  const auto b = space.add({range("10.1.0.0/16")});
  const auto c = space.add({range("2001:db8::/32"), range("255.0.0.0/8")});
  space.build();
  const auto at = [&](const char* address) { return space.find(*net::IpAddr::parse(address)); };
  EXPECT_EQ(at("10.0.0.1"), at("192.168.7.7"));
  EXPECT_NE(at("10.0.0.1"), at("10.1.0.1"));
  EXPECT_EQ(at("11.0.0.0"), at("0.0.0.0"));
  EXPECT_NE(at("255.255.255.255"), at("2001:db8::1"));  // in the same sets, of another family
  EXPECT_EQ(at("::"), at("ffff::"));
  EXPECT_EQ(std::vector(space.classes(a).begin(), space.classes(a).end()),
            (std::vector{at("10.0.0.1"), at("10.1.0.1")}));
  EXPECT_EQ(space.classes(b).size(), 1U);
  EXPECT_EQ(space.classes(c).size(), 2U);
  EXPECT_TRUE(space.splits_ipv6());
  // The intervals are the whole space, without gaps.
  const auto intervals = space.intervals();
  EXPECT_EQ(intervals.front().range.first, net::IpAddr::first(net::Family::kIPv4));
  EXPECT_EQ(intervals.back().range.last, net::IpAddr::last(net::Family::kIPv6));
  for (size_t i = 1; i < intervals.size(); ++i) {
    if (intervals[i].range.first.family() != intervals[i - 1].range.last.family()) continue;
    EXPECT_EQ(intervals[i].range.first, intervals[i - 1].range.last.next());
  }
}

TEST(AddressSpace, ExceptionsAreHoles) {
  const auto cidr = [](const char* text) { return *net::Cidr::parse(text); };
  const auto ranges = ranges_without(
      cidr("10.0.0.0/8"), {cidr("10.0.0.0/9"), cidr("10.255.0.0/16"), cidr("172.16.0.0/12")});
  ASSERT_EQ(ranges.size(), 1U);
  EXPECT_EQ(range_text(ranges[0]), "10.128.0.0-10.254.255.255");
  EXPECT_TRUE(ranges_without(cidr("10.0.0.0/8"), {cidr("0.0.0.0/0")}).empty());
  EXPECT_EQ(range_text({*net::IpAddr::parse("10.0.0.1"), *net::IpAddr::parse("10.0.0.1")}),
            "10.0.0.1");
  EXPECT_EQ(range_text(range_of(cidr("::/0"))), "::/0");
}

class PodClassesTest : public ::testing::Test {
 protected:
  void add_pod(const char* ns, const std::string& name, model::Labels labels,
               std::vector<model::NamedPort> ports = {}) {
    model::Pod pod;
    pod.name = {ns, name};
    pod.labels = std::move(labels);
    pod.ports = std::move(ports);
    world_.pods.emplace(pod.name, pod);
  }
  static model::EndpointPeer peer(const char* ns, selector::Selector pods) {
    model::EndpointPeer out;
    out.pods = std::move(pods);
    out.in_namespace = ns;
    return out;
  }
  static selector::Selector label(const char* key, std::vector<std::string> values) {
    return selector::Selector::requirement(selector::Op::kIn, key, std::move(values));
  }
  // The class of each pod, by name.
  std::map<std::string, PodClass> classes(std::vector<model::EndpointPeer> peers) {
    PodQuestions questions = questions_;
    for (const auto& each : peers) questions.ask(each);
    PodClasses made(world_, questions, 2);
    held_.clear();
    for (const auto& each : peers) held_.push_back(made.match(each));
    std::vector<RangeSet*> sets;
    for (RangeSet& set : held_) sets.push_back(&set);
    made.merge(sets, 2);
    count_ = made.size();
    std::map<std::string, PodClass> out;
    size_t i = 0;
    for (const auto& [name, pod] : world_.pods) out[name.to_string()] = made.of_pods()[i++];
    // The sets mean the same pods as before.
    for (size_t p = 0; p < peers.size(); ++p) {
      for (const auto& [name, pod] : world_.pods) {
        const bool matches =
            (!peers[p].in_namespace || *peers[p].in_namespace == name.ns) &&
            peers[p].pods.matches([&](std::string_view key) -> std::optional<std::string_view> {
              const auto it = pod.labels.find(key);
              if (it == pod.labels.end()) return std::nullopt;
              return std::string_view(it->second);
            });
        EXPECT_EQ(held_[p].contains(out[name.to_string()]), matches) << name.to_string();
      }
    }
    return out;
  }

  model::World world_;
  PodQuestions questions_;
  std::vector<RangeSet> held_;
  size_t count_ = 0;
};

TEST_F(PodClassesTest, WhatNobodyAsksDoesNotTellApart) {
  for (int i = 0; i < 12; ++i) {
    add_pod("dev", "pod-" + std::to_string(i),
            {{"app", i % 2 == 0 ? "web" : "db"}, {"instance", std::to_string(i)}});
    add_pod("prod", "pod-" + std::to_string(i), {{"app", "web"}});
  }
  classes({});
  EXPECT_EQ(count_, 2U);  // a namespace each
  auto by_pod = classes({peer("dev", label("app", {"web"}))});
  EXPECT_EQ(count_, 3U);
  EXPECT_EQ(by_pod["dev/pod-0"], by_pod["dev/pod-10"]);
  EXPECT_NE(by_pod["dev/pod-0"], by_pod["dev/pod-1"]);
  // One of the values of a label; and two peers that hold the same.
  by_pod = classes({peer("dev", label("instance", {"3"})), peer("dev", label("app", {"db"})),
                    peer("dev", label("app", {"db", "other"}))});
  EXPECT_EQ(count_, 4U);
  EXPECT_NE(by_pod["dev/pod-3"], by_pod["dev/pod-5"]);
  EXPECT_EQ(by_pod["dev/pod-1"], by_pod["dev/pod-5"]);
  // A selector whose pods another namespace has costs nothing there.
  classes({peer("prod", label("instance", {"3"}))});
  EXPECT_EQ(count_, 2U);
  // Parts of values.
  classes(
      {peer("dev", selector::Selector::requirement(selector::Op::kStartsWith, "instance", {"1"}))});
  EXPECT_EQ(count_, 3U);
}

TEST_F(PodClassesTest, NamesOfPortsTellApart) {
  add_pod("dev", "a", {}, {{"http", net::kTcp, 80}, {"debug", net::kTcp, 1}});
  add_pod("dev", "b", {}, {{"http", net::kTcp, 80}, {"debug", net::kTcp, 2}});
  add_pod("dev", "c", {}, {{"http", net::kTcp, 8080}});
  classes({});
  EXPECT_EQ(count_, 1U);
  questions_.ask_port("http", net::kTcp);
  const auto by_pod = classes({});
  EXPECT_EQ(count_, 2U);
  EXPECT_EQ(by_pod.at("dev/a"), by_pod.at("dev/b"));
  questions_.ask_port("debug", net::kTcp);
  classes({});
  EXPECT_EQ(count_, 3U);
}

TEST_F(PodClassesTest, WhatIsPickedTogetherLiesTogether) {
  for (int i = 0; i < 40; ++i) {
    add_pod("dev", "pod-" + std::to_string(100 + i),
            {{"tier", i % 2 == 0 ? "front" : "back"}, {"app", std::to_string(i / 2)}});
  }
  std::vector<model::EndpointPeer> peers = {peer("dev", label("tier", {"front"}))};
  for (int i = 0; i < 20; ++i) peers.push_back(peer("dev", label("app", {std::to_string(i)})));
  classes(peers);
  EXPECT_EQ(count_, 40U);
  EXPECT_EQ(held_[0].ranges().size(), 1U);
}

TEST(PortText, IsWhatPeopleWrite) {
  PortSet some = PortSet::one(net::kTcp, 80);
  some.add(net::kTcp, {8000, 8080});
  some.add(net::kUdp, {53, 53});
  EXPECT_EQ(port_text(some), "TCP 80,8000-8080, UDP 53");
  EXPECT_EQ(short_port_text(some), "80,8000-8080 udp/53");
  EXPECT_EQ(port_text(PortSet()), "none");
  EXPECT_EQ(port_text(PortSet::everything()), "all");
  PortSet most = PortSet::everything();
  most.subtract(PortSet::one(net::kTcp, 25));
  EXPECT_EQ(port_text(most), "all but TCP 25");
  PortSet tcp;
  tcp.add(net::kTcp, {1, 65535});
  EXPECT_EQ(port_text(tcp), "TCP");
  PortSet ping;
  ping.add(model::PortMatch{net::kIcmp, model::IcmpMatch{8, std::nullopt}});
  EXPECT_EQ(port_text(ping), "ICMP type 8");
  EXPECT_EQ(port_json(some), (json::value{{"TCP", "80,8000-8080"}, {"UDP", "53"}}));
  EXPECT_TRUE(contains(some, port_number(net::kUdp, 53)));
  EXPECT_FALSE(contains(some, port_number(net::kTcp, 53)));
}

}  // namespace
}  // namespace caracal::analysis
