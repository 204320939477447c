// The parts of the engine, each against a table or a slow twin.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "policy/cidr_registry.h"
#include "policy/compiled_selector.h"
#include "policy/endpoint_index.h"
#include "policy/policy_blob.h"
#include "policy/port_set.h"
#include "policy/row_table.h"

namespace caracal::policy {
namespace {

net::IpAddr ip(const char* text) { return *net::IpAddr::parse(text); }
net::Cidr cidr(const char* text) { return *net::Cidr::parse(text); }

TEST(StringTable, NumbersLiveAsLongAsTheirHolders) {
  StringTable table;
  const StringId a = table.acquire("a");
  EXPECT_EQ(table.acquire("a"), a);
  const StringId b = table.acquire("b");
  EXPECT_NE(a, b);
  EXPECT_EQ(table.text(b), "b");
  table.release(a);
  EXPECT_EQ(table.find("a"), a);
  table.release(a);
  EXPECT_EQ(table.find("a"), 0u);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.acquire("c"), a);  // the number is used again
  EXPECT_EQ(table.find("b"), b);
}

TEST(ListTable, EqualListsAreOne) {
  ListTable table;
  const std::vector<uint32_t> one = {1, 2, 3}, two = {1, 2};
  bool added = false;
  const ListId a = table.acquire(one, &added);
  EXPECT_TRUE(added);
  EXPECT_EQ(table.acquire(one, &added), a);
  EXPECT_FALSE(added);
  const ListId b = table.acquire(two);
  EXPECT_NE(a, b);
  EXPECT_EQ(table.acquire({}), 0u);
  EXPECT_FALSE(table.release(0));
  EXPECT_FALSE(table.release(a));
  EXPECT_TRUE(table.release(a));
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.acquire(std::vector<uint32_t>{9}), a);  // smallest free number first
  // A list of the table itself may be acquired.
  EXPECT_EQ(table.acquire(table.list(b)), b);
}

TEST(PortSet, AgainstBits) {
  std::mt19937 random(5);
  const auto make = [&] {
    PortSet set;
    for (size_t i = random() % 4; i > 0; --i) {
      const net::Protocol protocols[] = {net::kTcp, net::kUdp, net::kSctp, net::kIcmp};
      const net::Protocol protocol = protocols[random() % 4];
      const auto first = static_cast<uint16_t>(random() % 8),
                 last = static_cast<uint16_t>(first + random() % 8);
      set.add(protocol, protocol.has_ports() && random() % 8 ? net::PortRange{first, last}
                                                             : net::PortRange{});
    }
    return set;
  };
  const auto points = [](const PortSet& set) {
    std::set<uint32_t> out;
    for (size_t i = 0; i < set.numbers().size(); i += 2) {
      for (uint32_t p = set.numbers()[i]; p < set.numbers()[i + 1]; p += p % 65536 < 20 ? 1 : 5003)
        out.insert(p);
    }
    return out;
  };
  const auto has = [](const PortSet& set, uint32_t point) {
    for (size_t i = 0; i < set.numbers().size(); i += 2) {
      if (set.numbers()[i] <= point && point < set.numbers()[i + 1]) return true;
    }
    return false;
  };
  for (int round = 0; round < 200; ++round) {
    const PortSet a = make(), b = make();
    PortSet both = a, either = a, only = a;
    either.add(b);
    both.intersect(b);
    only.subtract(b);
    std::set<uint32_t> probe = points(a);
    probe.merge(points(b));
    for (uint32_t p = 0; p < 24; ++p) probe.insert(p);
    for (const uint32_t p : probe) {
      EXPECT_EQ(has(either, p), has(a, p) || has(b, p));
      EXPECT_EQ(has(both, p), has(a, p) && has(b, p));
      EXPECT_EQ(has(only, p), has(a, p) && !has(b, p));
    }
    PortSet again = both;
    again.add(only);
    EXPECT_EQ(again, a);  // one set, one representation
  }
}

TEST(PortSet, ProtocolsWithoutPortsHoldAsAWhole) {
  PortSet set;
  set.add(net::kIcmp, {1, 5});
  EXPECT_TRUE(set.empty());
  set.add(net::kIcmp, {});
  EXPECT_EQ(std::vector<uint32_t>(set.numbers().begin(), set.numbers().end()),
            (std::vector<uint32_t>{space_start(desired::PortSpace::kIcmp),
                                   space_start(desired::PortSpace::kIcmpV6)}));
  PortSet all;
  for (const net::Protocol p : {net::kTcp, net::kUdp, net::kSctp}) all.add(p, {});
  for (int p = 0; p < 256; ++p) {
    const net::Protocol protocol{static_cast<uint8_t>(p)};
    if (!protocol.has_ports()) all.add(protocol, {});
  }
  PortSet rest = PortSet::everything();
  rest.subtract(all);
  // Only the numbers of protocols that have a space of their own are left.
  EXPECT_EQ(rest.numbers().size(), 10u);
}

TEST(IntervalCut, AgainstMembershipOfEachPoint) {
  std::mt19937 random(11);
  ListTable sets;
  {
    IntervalCut<uint32_t> cut(sets, {0, 50});
    struct Range {
      uint32_t first, end;
    };
    std::map<uint32_t, Range> members;
    for (int round = 0; round < 600; ++round) {
      const uint32_t id = 1 + static_cast<uint32_t>(random() % 8);
      const auto end_of = [](uint32_t end) {
        return end == 100 ? std::optional<uint32_t>() : std::optional<uint32_t>(end);
      };
      if (const auto it = members.find(id); it != members.end()) {
        cut.remove(it->second.first, end_of(it->second.end), id);
        members.erase(it);
      } else {
        const auto first = static_cast<uint32_t>(random() % 100);
        const auto end = static_cast<uint32_t>(first + 1 + random() % (100 - first));
        cut.add(first, end_of(end), id);
        members[id] = {first, end};
      }
      for (uint32_t point = 0; point < 100; ++point) {
        std::vector<uint32_t> expected;
        for (const auto& [member, range] : members) {
          if (range.first <= point && point < range.end) expected.push_back(member);
        }
        const auto got = sets.list(cut.at(point));
        ASSERT_EQ(std::vector<uint32_t>(got.begin(), got.end()), expected) << "point " << point;
      }
      // As few intervals as there can be.
      const std::pair<const uint32_t, ListId>* before = nullptr;
      for (const auto& interval : cut.intervals()) {
        if (before && interval.first != 50) {
          ASSERT_NE(before->second, interval.second);
        }
        before = &interval;
      }
    }
    for (const auto& [id, range] : members) {
      cut.remove(range.first, range.end == 100 ? std::optional<uint32_t>() : range.end, id);
    }
    EXPECT_EQ(cut.intervals().size(), 2u);
  }
  EXPECT_EQ(sets.size(), 0u);  // nothing held
}

TEST(RangesOf, ExceptionsCutHoles) {
  const struct {
    const char* net;
    std::vector<const char*> except;
    std::vector<std::pair<const char*, const char*>> expected;
  } cases[] = {
      {"10.0.0.0/24", {}, {{"10.0.0.0", "10.0.0.255"}}},
      {"10.0.0.0/24", {"10.0.0.0/25"}, {{"10.0.0.128", "10.0.0.255"}}},
      {"10.0.0.0/24", {"10.0.0.128/25"}, {{"10.0.0.0", "10.0.0.127"}}},
      {"10.0.0.0/24", {"10.0.0.4/32"}, {{"10.0.0.0", "10.0.0.3"}, {"10.0.0.5", "10.0.0.255"}}},
      {"10.0.0.0/24", {"10.0.0.0/24"}, {}},
      {"10.0.0.0/24", {"10.0.0.0/8"}, {}},
      {"10.0.0.0/24", {"11.0.0.0/8"}, {{"10.0.0.0", "10.0.0.255"}}},
      {"10.0.0.0/24", {"fd00::/8"}, {{"10.0.0.0", "10.0.0.255"}}},
      // Nested and repeated exceptions.
      {"10.0.0.0/24", {"10.0.0.4/31", "10.0.0.0/28", "10.0.0.0/28"}, {{"10.0.0.16", "10.0.0.255"}}},
      {"10.0.0.0/24", {"10.0.0.0/25", "10.0.0.128/25"}, {}},
      {"0.0.0.0/0", {"255.255.255.255/32"}, {{"0.0.0.0", "255.255.255.254"}}},
      {"0.0.0.0/0", {"0.0.0.0/32"}, {{"0.0.0.1", "255.255.255.255"}}},
      {"::/0", {"8000::/1"}, {{"::", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}}},
  };
  for (const auto& c : cases) {
    model::CidrPeer peer{cidr(c.net), {}};
    for (const char* except : c.except) peer.except.push_back(cidr(except));
    const auto ranges = ranges_of(peer);
    ASSERT_EQ(ranges.size(), c.expected.size()) << c.net;
    for (size_t i = 0; i < ranges.size(); ++i) {
      EXPECT_EQ(ranges[i].first, ip(c.expected[i].first)) << c.net;
      EXPECT_EQ(ranges[i].last, ip(c.expected[i].second)) << c.net;
    }
  }
}

TEST(CidrRegistry, FamiliesDoNotMixAndEndsAreInside) {
  CidrRegistry registry;
  const CidrId v4 = registry.acquire({cidr("0.0.0.0/0"), {}});
  const CidrId v6 = registry.acquire({cidr("::/0"), {}});
  const auto at = [&](const char* text) {
    const auto list = registry.sets().list(registry.at(ip(text)));
    std::vector<CidrId> out;
    for (const uint32_t member : list) out.push_back(CidrRegistry::number_of(member));
    return out;
  };
  EXPECT_EQ(at("255.255.255.255"), std::vector<uint32_t>{v4});
  EXPECT_EQ(at("0.0.0.0"), std::vector<uint32_t>{v4});
  EXPECT_EQ(at("::"), std::vector<uint32_t>{v6});
  EXPECT_EQ(at("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), std::vector<uint32_t>{v6});
  // The same predicate, exceptions in any order.
  const CidrId a =
      registry.acquire({cidr("10.0.0.0/8"), {cidr("10.1.0.0/16"), cidr("10.2.0.0/16")}});
  EXPECT_EQ(registry.acquire({cidr("10.0.0.0/8"), {cidr("10.2.0.0/16"), cidr("10.1.0.0/16")}}), a);
  EXPECT_EQ(at("10.2.3.4"), std::vector<uint32_t>{v4});
  EXPECT_EQ(at("10.3.3.4"), (std::vector<uint32_t>{v4, a}));
  registry.release(a);
  EXPECT_EQ(at("10.3.3.4"), (std::vector<uint32_t>{v4, a}));
  for (const CidrId id : {a, v4, v6}) registry.release(id);
  EXPECT_EQ(registry.intervals().size(), 2u);
  EXPECT_EQ(registry.sets().size(), 0u);
}

TEST(CompiledSelector, AgreesWithTheSelector) {
  std::mt19937 random(3);
  StringTable strings;
  const std::vector<std::string> keys = {"a", "b"}, values = {"1", "2"};
  const std::function<selector::Selector(int)> make = [&](int depth) -> selector::Selector {
    using selector::Op;
    using selector::Selector;
    const std::string& key = keys[random() % 2];
    switch (random() % (depth > 0 ? 7 : 4)) {
      case 0:
        return Selector::requirement(Op::kIn, key, {values[random() % 2]});
      case 1:
        return Selector::requirement(Op::kNotIn, key, {values[random() % 2]});
      case 2:
        return Selector::requirement(Op::kExists, key);
      case 3:
        return Selector::requirement(Op::kNotExists, key);
      case 4:
        return Selector::all_of({make(depth - 1), make(depth - 1)});
      case 5:
        return Selector::any_of({make(depth - 1), make(depth - 1)});
      default:
        return Selector::negation(make(depth - 1));
    }
  };
  std::vector<Label> ids;
  for (int round = 0; round < 300; ++round) {
    const selector::Selector selector = make(3);
    CompiledSelector compiled(selector, strings);
    EXPECT_EQ(compiled.matches_everything(), selector.matches_everything());
    for (int world = 0; world < 9; ++world) {
      model::Labels labels;
      if (world % 3) labels["a"] = values[static_cast<size_t>(world % 3 - 1)];
      if (world / 3) labels["b"] = values[static_cast<size_t>(world / 3 - 1)];
      ids.clear();
      for (const auto& [key, value] : labels)
        ids.push_back({strings.acquire(key), strings.acquire(value)});
      std::sort(ids.begin(), ids.end());
      const bool expected =
          selector.matches([&](std::string_view key) -> std::optional<std::string_view> {
            const auto it = labels.find(key);
            if (it == labels.end()) return std::nullopt;
            return it->second;
          });
      std::vector<uint32_t> words;
      for (const Label& label : ids) words.insert(words.end(), {label.key, label.value});
      EXPECT_EQ(compiled.matches(LabelSpan(words)), expected) << selector.canonical();
      if (expected && !compiled.required_labels().empty()) {
        bool has_one = false;
        for (const Label& label : compiled.required_labels()) {
          has_one = has_one || std::find(ids.begin(), ids.end(), label) != ids.end();
        }
        EXPECT_TRUE(has_one) << selector.canonical();
      }
      for (const Label& label : ids) {
        strings.release(label.key);
        strings.release(label.value);
      }
    }
    compiled.release(strings);
    EXPECT_EQ(strings.size(), 0u);
  }
}

TEST(EndpointIndex, PodsOfOneKindAreOneClass) {
  StringTable strings;
  LabelLists labels(strings);
  EndpointIndex index(strings, labels);
  const auto pod = [](const char* ns, const char* name, const char* app, const char* address) {
    model::Pod out;
    out.name = {ns, name};
    out.labels = {{"app", app}};
    out.addresses = {ip(address)};
    return out;
  };
  const auto set = [&](const model::Pod& value) { return index.set_pod(value.name, &value); };
  const ClassId web = set(pod("dev", "a", "web", "10.0.0.1")).after;
  EXPECT_EQ(set(pod("dev", "b", "web", "10.0.0.2")).after, web);
  const ClassId db = set(pod("dev", "c", "db", "10.0.0.3")).after;
  EXPECT_NE(db, web);
  EXPECT_NE(set(pod("prod", "a", "web", "10.0.0.4")).after, web);
  EXPECT_EQ(index.at(web).size, 2u);
  EXPECT_EQ(index.take_new_classes().size(), 3u);
  EXPECT_EQ(index.take_dirty_addresses().size(), 4u);

  const auto change = set(pod("dev", "b", "db", "10.0.0.2"));
  EXPECT_EQ(change.before, web);
  EXPECT_EQ(change.after, db);
  EXPECT_FALSE(change.addresses);
  EXPECT_EQ(index.take_dirty_addresses(), std::vector<net::IpAddr>{ip("10.0.0.2")});
  EXPECT_EQ(set(pod("dev", "b", "db", "10.0.0.2")).before, db);
  EXPECT_TRUE(index.take_dirty_addresses().empty());

  index.set_extra_addresses({"dev", "b"}, {ip("10.0.0.9")});
  std::vector<ClassId> holders;
  index.for_each_holder(ip("10.0.0.9"), [&](ClassId c) { holders.push_back(c); });
  EXPECT_EQ(holders, std::vector<ClassId>{db});
  model::Pod finished = pod("dev", "b", "db", "10.0.0.2");
  finished.finished = true;
  EXPECT_EQ(set(finished).after, 0u);
  EXPECT_EQ(index.class_of({"dev", "b"}), 0u);
  for (const char* address : {"10.0.0.2", "10.0.0.9"}) {
    index.for_each_holder(ip(address), [&](ClassId) { ADD_FAILURE() << address; });
  }
  for (const auto& [ns, name] : {std::pair("dev", "a"), {"dev", "c"}, {"prod", "a"}}) {
    index.set_pod({ns, name}, nullptr);
  }
  EXPECT_EQ(index.pod_count(), 0u);
  EXPECT_EQ(strings.size(), 0u);
}

// Rows and classes against the port sets they stand for.
TEST(RowTable, ClassesTellRowsApartAndNoMore) {
  std::mt19937 random(17);
  desired::PolicyTables tables;
  TrackedMap<desired::PortKey, PortClass> ports(tables.ports);
  TrackedSet<desired::RowKey> entries(tables.rows), logged(tables.logged), refused(tables.refused);
  TrackedSet<desired::WideRowKey> wide(tables.wide_rows);
  RowTable rows({ports, entries, logged, refused, wide});
  std::map<RowId, PortSet> live;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 2; ++i) {
      if (!live.empty() && random() % 2) {
        rows.release(live.begin()->first);
        live.erase(live.begin());
        continue;
      }
      PortSet set;
      const auto first = static_cast<uint16_t>(random() % 100);
      set.add(random() % 2 ? net::kTcp : net::kUdp,
              {first, static_cast<uint16_t>(first + random() % 50)});
      if (random() % 8 == 0) set = PortSet::everything();
      const RowId id = rows.acquire({set, {}, {}});
      if (live.contains(id)) {
        EXPECT_EQ(live.at(id), set);
        rows.release(id);
      } else {
        live.emplace(id, set);
      }
    }
    rows.update();
    std::set<std::vector<RowId>> signatures;
    std::map<PortClass, std::vector<RowId>> members;
    for (const auto& [key, id] : tables.ports) members[id];
    for (const desired::RowKey& row : tables.rows) members[row.port_class].push_back(row.row);
    for (const auto& [id, list] : members) EXPECT_TRUE(signatures.insert(list).second);
    for (const auto& [key, id] : tables.ports) {
      const uint32_t point = space_start(key.space) + key.first;
      for (const auto& [row, set] : live) {
        bool in = false;
        for (size_t i = 0; i < set.numbers().size(); i += 2) {
          in = in || (set.numbers()[i] <= point && point < set.numbers()[i + 1]);
        }
        EXPECT_EQ(tables.rows.contains({row, id}), in);
      }
    }
  }
  for (const auto& [id, set] : live) rows.release(id);
  rows.update();
  EXPECT_TRUE(tables.rows.empty());
  EXPECT_EQ(tables.ports.size(), 6u);
}

// A thousand rows that each leave out another port: kept as intervals, no classes.
TEST(RowTable, RowsThatCutEverywhereAreWide) {
  desired::PolicyTables tables;
  TrackedMap<desired::PortKey, PortClass> ports(tables.ports);
  TrackedSet<desired::RowKey> entries(tables.rows), logged(tables.logged), refused(tables.refused);
  TrackedSet<desired::WideRowKey> wide(tables.wide_rows);
  RowTable rows({ports, entries, logged, refused, wide});
  std::vector<RowId> ids;
  const auto row = [&](uint16_t port) {
    PortSet set = PortSet::range(net::kTcp, {});
    set.subtract(PortSet::one(net::kTcp, port));
    return rows.acquire({set, {}, {}});
  };
  for (uint16_t port = 100; port < 1100; ++port) ids.push_back(row(port));
  rows.update();
  EXPECT_TRUE(tables.rows.empty());
  EXPECT_EQ(tables.ports.size(), 6u);
  EXPECT_EQ(tables.wide_rows.size(), 2000u);
  EXPECT_TRUE(tables.wide_rows.contains({ids[0], desired::PortSpace::kTcp, 0, 99}));
  EXPECT_TRUE(tables.wide_rows.contains({ids[0], desired::PortSpace::kTcp, 101, 65535}));
  // With few of them left they are rows like others, as if the many had never been.
  for (size_t i = 10; i < ids.size(); ++i) rows.release(ids[i]);
  rows.update();
  EXPECT_TRUE(tables.wide_rows.empty());
  EXPECT_EQ(tables.rows.size(), 10u * 10u);
  // Many rows of one port each are not wide: as many classes as rows.
  for (uint16_t port = 2000; port < 3000; ++port) {
    rows.acquire({PortSet::one(net::kTcp, port), {}, {}});
  }
  rows.update();
  EXPECT_EQ(tables.wide_rows.size(), 20u);
  EXPECT_EQ(tables.rows.size(), 1000u);
}

TEST(PolicyBlob, RulesComeBackAsTheyWere) {
  model::Policy policy;
  model::Rule rule;
  rule.action = model::Action::kLog;
  model::EndpointPeer peer;
  peer.pods = *selector::Selector::parse_expression("a == 'b' && !(has(c) || d contains 'e')");
  peer.namespaces = *selector::Selector::parse_expression("x not in {'y', 'z'}");
  peer.in_namespace = "dev";
  peer.inherited = true;
  rule.peer.all_of = {{peer, model::CidrPeer{cidr("10.0.0.0/8"), {cidr("10.1.0.0/16")}}},
                      {model::ServicePeer{{"dev", "web"}}}};
  rule.peer.none_of = {model::CidrPeer{cidr("fd00::/8"), {}}};
  rule.self.all_of = {{}};
  rule.self.none_of = {model::EndpointPeer{}};
  rule.ports = {{{net::kTcp, net::PortRange{1, 65535}}, {net::kUdp, "dns"}}};
  rule.not_ports = {{net::kIcmp, model::IcmpMatch{8, 0}},
                    {net::kIcmpV6, model::IcmpMatch{128, {}}}};
  rule.source_ports.emplace();
  rule.not_source_ports = {{net::kSctp, net::PortRange{}}};
  rule.family = net::Family::kIPv6;
  policy.ingress = {rule, model::Rule()};
  policy.egress = {model::Rule(), model::Rule(), rule};
  const PolicyBlob blob(policy);
  const PolicyBlob::Rules rules = blob.rules();
  EXPECT_EQ(rules.ingress, policy.ingress);
  EXPECT_EQ(rules.egress, policy.egress);
  model::Policy other = policy;
  EXPECT_EQ(PolicyBlob(other), blob);
  other.egress[2].not_ports[0].port = model::IcmpMatch{8, 1};
  EXPECT_FALSE(PolicyBlob(other) == blob);
  EXPECT_TRUE(PolicyBlob().rules().ingress.empty());
}

TEST(CompiledSelector, InheritedLabelsComeFromNamespaceAndAccount) {
  StringTable strings;
  LabelLists lists(strings);
  const ListId own =
      lists.acquire({{"app", "web"}, {"pcns.own", "1"}, {"projectcalico.org/namespace", "prod"}});
  const ListId of_ns =
      lists.acquire({{"team", "a"}, {"own", "2"}, {"projectcalico.org/name", "?"}});
  const ListId of_account = lists.acquire({{"role", "r"}});
  const StringId dev = strings.acquire("dev"), robot = strings.acquire("robot");
  const auto matches = [&](const char* text, bool is_pod, bool ns_known) {
    CompiledSelector compiled(*selector::Selector::parse_expression(text), strings, true);
    EndpointLabels seen;
    seen.own = lists.at(own);
    seen.is_pod = is_pod;
    seen.ns = dev;
    if (ns_known) seen.ns_labels = lists.at(of_ns);
    if (is_pod) {
      seen.account = robot;
      seen.account_labels = lists.at(of_account);
    }
    const bool result = compiled.matches(seen);
    compiled.release(strings);
    return result;
  };
  EXPECT_TRUE(matches("app == 'web' && pcns.team == 'a' && pcsa.role == 'r'", true, true));
  EXPECT_TRUE(matches("projectcalico.org/namespace == 'dev'", true, false));
  EXPECT_TRUE(matches("projectcalico.org/orchestrator == 'k8s'", true, false));
  EXPECT_FALSE(matches("has(projectcalico.org/orchestrator)", false, true));
  EXPECT_TRUE(matches("projectcalico.org/serviceaccount == 'robot'", true, false));
  EXPECT_TRUE(matches("pcsa.projectcalico.org/name == 'robot'", true, false));
  EXPECT_FALSE(matches("has(pcsa.projectcalico.org/name)", false, true));
  EXPECT_TRUE(matches("pcns.projectcalico.org/name == 'dev'", true, true));
  EXPECT_FALSE(matches("has(pcns.projectcalico.org/name)", true, false));
  EXPECT_FALSE(matches("pcns.team == 'a'", true, false));
  EXPECT_TRUE(matches("pcns.own == '1'", true, true));  // the endpoint's own label goes first
  EXPECT_TRUE(matches("pcns.team starts with ''", true, true));
  EXPECT_TRUE(matches("pcns.team != 'a'", true, false));
}

TEST(TrackedMap, ReportsNetChangesOnly) {
  std::map<int, int> live;
  TrackedMap<int, int> map(live);
  map.set(1, 10);
  map.set(2, 20);
  map.set(1, 11);
  map.set(3, 30);
  map.erase(3);
  auto delta = map.take();
  EXPECT_EQ(delta.set, (std::map<int, int>{{1, 11}, {2, 20}}));
  EXPECT_TRUE(delta.erase.empty());
  map.set(1, 12);
  map.set(1, 11);
  map.erase(2);
  map.set(2, 20);
  EXPECT_TRUE(map.take().empty());
  map.erase(1);
  delta = map.take();
  EXPECT_EQ(delta.erase, std::set<int>{1});
  EXPECT_EQ(live, (std::map<int, int>{{2, 20}}));
}

}  // namespace
}  // namespace caracal::policy
