#include "ipam/block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ipam/block_json.h"
#include "ipam/block_order.h"

namespace caracal::ipam {
namespace {

using net::Cidr;
using net::IpAddr;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Cidr cidr(std::string_view text) { return Cidr::parse(text).value(); }
IpAddr ip(std::string_view text) { return IpAddr::parse(text).value(); }
Time at(int64_t seconds) { return Time(std::chrono::seconds(seconds)); }
bool any(const IpAddr&) { return true; }

Attributes of_pod(const std::string& pod) {
  return {{"namespace", "dev"}, {"node", "n1"}, {"pod", pod}};
}

TEST(BlockTest, GivesOutTheLongestFree) {
  Block block(cidr("10.0.0.0/30"), Owner::host("n1"), 100);
  EXPECT_THAT(block.assign(2, "h1", of_pod("a"), any), ElementsAre(ip("10.0.0.0"), ip("10.0.0.1")));
  ASSERT_TRUE(block.release(ip("10.0.0.0"), "h1", std::nullopt, at(1), 0));
  EXPECT_THAT(block.assign(3, "h2", of_pod("b"), any),
              ElementsAre(ip("10.0.0.2"), ip("10.0.0.3"), ip("10.0.0.0")));
  EXPECT_THAT(block.assign(1, "h3", of_pod("c"), any), IsEmpty());
  EXPECT_EQ(block.problem(), "");
}

TEST(BlockTest, PassesOverWhatIsReserved) {
  Block block(cidr("10.0.0.0/30"), Owner::host("n1"), 1);
  const auto odd = [](const IpAddr& address) { return address.v4_host_order() % 2 == 1; };
  EXPECT_THAT(block.assign(4, "h", of_pod("a"), odd), ElementsAre(ip("10.0.0.1"), ip("10.0.0.3")));
  EXPECT_THAT(block.queue(), ElementsAre(0U, 2U));
}

TEST(BlockTest, AStaleReleaseFreesNothing) {
  Block block(cidr("10.0.0.0/32"), Owner::host("n1"), 7);
  ASSERT_EQ(block.assign(1, "h1", of_pod("a"), any).size(), 1U);
  const Allocation first = *block.allocation_of(ip("10.0.0.0"));
  EXPECT_EQ(first, (Allocation{ip("10.0.0.0"), "h1", 7}));
  block.next_sequence();
  ASSERT_TRUE(block.release(first.address, "h1", first.sequence, at(1), 0));
  ASSERT_EQ(block.assign(1, "h1", of_pod("a"), any).size(), 1U);
  EXPECT_EQ(block.release(first.address, "h1", first.sequence, at(1), 0).error().code,
            Errc::kConflict);
  EXPECT_EQ(block.release(first.address, "h2", std::nullopt, at(1), 0).error().code,
            Errc::kConflict);
  EXPECT_TRUE(block.allocation_of(first.address));
}

TEST(BlockTest, CoolsDown) {
  Block block(cidr("10.0.0.0/31"), Owner::host("n1"), 7);
  (void)block.assign(2, "h1", of_pod("a"), any);
  ASSERT_TRUE(block.release(ip("10.0.0.1"), "h1", std::nullopt, at(100), 60));
  EXPECT_TRUE(block.is_cooling(1));
  EXPECT_FALSE(block.allocation_of(ip("10.0.0.1")));
  EXPECT_EQ(block.release(ip("10.0.0.1"), "h1", std::nullopt, at(101), 60).error().code,
            Errc::kNotFound);
  EXPECT_THAT(block.assign_address(ip("10.0.0.1"), "h2", {}).error().message,
              HasSubstr("cools down"));
  EXPECT_FALSE(block.cool(at(159), 60));
  EXPECT_TRUE(block.cool(at(160), 60));
  EXPECT_THAT(block.assign(2, "h2", of_pod("b"), any), ElementsAre(ip("10.0.0.1")));
  EXPECT_EQ(block.problem(), "");
}

TEST(BlockTest, SaysWhoHasARequestedAddress) {
  Block block(cidr("fd00::/122"), Owner::host("n1"), 7);
  ASSERT_TRUE(block.assign_address(ip("fd00::5"), "h1", of_pod("web")));
  EXPECT_EQ(block.assign_address(ip("fd00::5"), "h2", {}).error().code, Errc::kExists);
  EXPECT_THAT(block.assign_address(ip("fd00::5"), "h2", {}).error().message,
              HasSubstr("taken by pod dev/web"));
  EXPECT_EQ(block.assign_address(ip("fd00::40"), "h2", {}).error().code, Errc::kInvalid);
}

TEST(BlockTest, RandomChangesKeepTheInvariants) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    const auto pick = [&](uint64_t n) { return random() % n; };
    const bool v6 = pick(2) == 1;
    StoredBlock stored;
    stored.value = Block(v6 ? cidr("fd00::8:0/124") : cidr("10.1.0.16/28"), Owner::host("n1"), 5);
    Block& block = stored.value;
    std::map<IpAddr, std::string> truth;  // who has what
    const uint32_t cooldown = pick(2) == 0 ? 0 : 5;
    for (int step = 0; step < 100; ++step) {
      const std::string handle = "h" + std::to_string(pick(6));
      switch (pick(5)) {
        case 0:
          for (const IpAddr& address : block.assign(1 + pick(3), handle, of_pod(handle), any)) {
            EXPECT_TRUE(truth.emplace(address, handle).second) << address.to_string();
          }
          break;
        case 1: {
          const IpAddr address = block.address_of(static_cast<uint32_t>(pick(16)));
          const bool free = block.is_free(*block.ordinal_of(address));
          EXPECT_EQ(block.assign_address(address, handle, of_pod(handle)).has_value(), free);
          if (free) truth[address] = handle;
          break;
        }
        case 2: {
          const IpAddr address = block.address_of(static_cast<uint32_t>(pick(16)));
          const bool mine = truth.contains(address) && truth[address] == handle;
          EXPECT_EQ(block.release(address, handle, std::nullopt, at(step), cooldown).has_value(),
                    mine);
          if (mine) truth.erase(address);
          break;
        }
        case 3:
          EXPECT_EQ(block.release_handle(handle, at(step), cooldown),
                    std::erase_if(truth, [&](const auto& e) { return e.second == handle; }));
          break;
        default:
          (void)block.cool(at(step), cooldown);
      }
      block.next_sequence();
      ASSERT_EQ(block.problem(), "") << "seed " << seed;
      if (step % 10 == 0) {
        const auto again = decode_block(encode(stored));
        ASSERT_TRUE(again) << again.error().message;
        ASSERT_EQ(again->value, block) << "seed " << seed;
      }
    }
    for (uint32_t ordinal = 0; ordinal < block.size(); ++ordinal) {
      const auto held = block.allocation_of(block.address_of(ordinal));
      const auto known = truth.find(block.address_of(ordinal));
      ASSERT_EQ(held.has_value(), known != truth.end());
      if (held) {
        EXPECT_EQ(held->handle_id, known->second);
      }
    }
  }
}

// As a node of Calico 3.30 writes it.
constexpr std::string_view kCalicoBlock = R"({
  "apiVersion": "crd.projectcalico.org/v1", "kind": "IPAMBlock",
  "metadata": {"name": "192-168-1-0-30", "resourceVersion": "812", "uid": "u1", "annotations": {"x": "y"}},
  "spec": {
    "affinity": "host:node-a", "affinityClaimTime": "2024-05-01T08:30:00Z",
    "allocations": [0, null, 1, 2],
    "attributes": [
      {"handle_id": "ipip-tunnel-addr-node-a", "secondary": {"node": "node-a", "type": "ipipTunnelAddress"}},
      {"handle_id": "k8s-pod-network.0123abc", "later": [1], "secondary": {"namespace": "dev", "node": "node-b", "pod": "web", "timestamp": "2024-05-01 08:31:00 +0000 UTC"}},
      {"releasedAt": "2024-05-01T08:40:00Z"}],
    "cidr": "192.168.1.0/30", "deleted": false, "newField": {"a": 1},
    "sequenceNumber": 1714552200000000003,
    "sequenceNumberForAllocation": {"0": 1714552200000000000, "2": 1714552200000000001, "3": 1714552200000000002},
    "strictAffinity": false, "unallocated": [1]}})";

TEST(BlockJsonTest, ReadsAndWritesCalicosBlock) {
  const json::value object = jsonio::parse(kCalicoBlock).value();
  const auto stored = decode_block(object);
  ASSERT_TRUE(stored) << stored.error().message;
  const Block& block = stored->value;
  EXPECT_EQ(block.affinity(), Owner::host("node-a"));
  EXPECT_EQ(to_rfc3339(*block.claimed_at()), "2024-05-01T08:30:00Z");
  EXPECT_EQ(block.allocation_of(ip("192.168.1.2")),
            (Allocation{ip("192.168.1.2"), "k8s-pod-network.0123abc", 1714552200000000001U}));
  EXPECT_TRUE(block.is_free(1));
  EXPECT_TRUE(block.is_cooling(3));
  EXPECT_EQ(stored->resource_version(), "812");
  // Everything comes back, what is not known here too.
  EXPECT_EQ(encode(*stored), object) << jsonio::to_pretty_string(encode(*stored));
}

// What the schema of Calico's own CRD demands, of every release so far. In a cluster that was
// Calico's it is this schema that judges what we write.
TEST(BlockJsonTest, NewBlocksAreAsCalicosSchemaDemands) {
  StoredBlock stored{Block(cidr("10.0.0.0/30"), Owner::host("n1"), 7), json::object()};
  const auto demands_met = [&] {
    const json::value object = encode(stored);
    const json::object& spec = object.at("spec").as_object();
    for (const char* field :
         {"allocations", "attributes", "cidr", "strictAffinity", "unallocated"}) {
      EXPECT_TRUE(spec.contains(field)) << field;
    }
    EXPECT_EQ(spec.at("strictAffinity"), json::value(false));
    for (const auto& member : spec) EXPECT_FALSE(member.value().is_null()) << member.key();
    for (const json::value& attributes : spec.at("attributes").as_array()) {
      for (const auto& member : attributes.as_object()) {
        EXPECT_FALSE(member.value().is_null()) << member.key();
      }
    }
  };
  demands_met();
  (void)stored.value.assign(2, "h", {{"pod", "p"}}, [](const auto&) { return true; });
  stored.value.set_affinity(std::nullopt, std::nullopt);
  demands_met();
}

TEST(BlockJsonTest, NamesAreCalicos) {
  EXPECT_EQ(block_name(cidr("10.0.0.0/26")), "10-0-0-0-26");
  EXPECT_EQ(block_name(cidr("fd00::/122")), "fd00---122");
  EXPECT_EQ(affinity_name(Owner::host("n1"), cidr("10.0.0.0/26")), "n1-10-0-0-0-26");
  const std::string longest(250, 'n');
  EXPECT_EQ(affinity_name(Owner::host(longest), cidr("10.0.0.0/26")).size(), 252U);
  EXPECT_THAT(affinity_name(Owner::host(longest), cidr("10.0.0.0/26")), HasSubstr("-10-0-0-0-26-"));
  EXPECT_EQ(handle_name("k8s-pod-network.ABC"), "k8s-pod-network.abc");
  EXPECT_EQ(host_label("node-a"), "PY3TQE2E3XMTETLM2MJO3UITKPFB27YUJ4T4E5XGPEJON3SM4QAA");
}

TEST(BlockJsonTest, AffinitiesAndHandles) {
  StoredAffinity affinity;
  affinity.value = {Owner::host("node-a"), cidr("fd00::40/122"), ClaimState::kPending, false};
  const json::value object = encode(affinity);
  EXPECT_EQ(
      jsonio::to_string(object),
      R"({"kind":"BlockAffinity","metadata":{"name":"node-a-fd00--40-122","labels":{)"
      R"("projectcalico.org/hostname-hash":"PY3TQE2E3XMTETLM2MJO3UITKPFB27YUJ4T4E5XGPEJON3SM4QAA",)"
      R"("projectcalico.org/affinity-type":"host","projectcalico.org/ip-version":"6"}},)"
      R"("spec":{"state":"pending","node":"node-a","type":"host","cidr":"fd00::40/122","deleted":"false"}})");
  EXPECT_EQ(decode_affinity(object)->value, affinity.value);
  json::value old = object;
  old.at("spec").as_object().erase("type");
  old.at("spec").as_object()["deleted"] = true;
  EXPECT_EQ(decode_affinity(old)->value.owner, Owner::host("node-a"));
  EXPECT_TRUE(decode_affinity(old)->value.deleted);

  StoredHandle handle;
  handle.value = {"k8s-pod-network.ABC", {{cidr("10.0.0.0/26"), 2}}, false};
  EXPECT_EQ(
      jsonio::to_string(encode(handle)),
      R"({"kind":"IPAMHandle","metadata":{"name":"k8s-pod-network.abc"},)"
      R"("spec":{"handleID":"k8s-pod-network.ABC","block":{"10.0.0.0/26":2},"deleted":false}})");
  EXPECT_EQ(decode_handle(encode(handle))->value, handle.value);
}

TEST(BlockJsonTest, SaysWhatIsWrong) {
  const auto with = [](std::string_view field, std::string_view value) {
    json::value object = jsonio::parse(kCalicoBlock).value();
    object.at("spec").as_object()[field] = jsonio::parse(value).value();
    const auto decoded = decode_block(object);
    return decoded ? std::string("decoded") : decoded.error().message;
  };
  EXPECT_EQ(
      with("cidr", R"("10.0.0.0")"),
      R"(IPAMBlock 192-168-1-0-30: spec.cidr: Invalid value: "10.0.0.0": must be an address range)");
  EXPECT_THAT(with("affinity", R"("node-a")"), HasSubstr("must be host:NAME or virtual:NAME"));
  EXPECT_THAT(with("allocations", "[0, null, 9, 2]"), HasSubstr("no such attributes"));
  EXPECT_THAT(with("allocations", "[0, null]"), HasSubstr("2 entries for 4 addresses"));
  EXPECT_THAT(with("unallocated", "[1, 1]"), HasSubstr("is there twice"));
  EXPECT_THAT(with("unallocated", "[]"), HasSubstr("neither taken nor free"));
  EXPECT_THAT(with("sequenceNumber", R"("x")"), HasSubstr("must be a number"));
}

TEST(BlockJsonTest, Times) {
  EXPECT_EQ(to_rfc3339(*parse_time("2024-02-29T23:59:59.123456Z")), "2024-02-29T23:59:59Z");
  EXPECT_EQ(to_rfc3339(*parse_time("2024-03-01T01:00:00+02:00")), "2024-02-29T23:00:00Z");
  for (const char* wrong :
       {"", "2024-02-30T00:00:00Z", "2024-02-29 23:59:59Z", "2024-02-29T23:59:59",
        "2024-02-29T23:59:59.Z", "2024-02-29T24:00:00Z"}) {
    EXPECT_FALSE(parse_time(wrong)) << wrong;
  }
}

TEST(BlockOrderTest, EveryBlockOnceAndHostsDiverge) {
  for (const auto& [pool, bits] : {std::pair(cidr("192.168.0.0/16"), 26),
                                   {cidr("10.0.0.64/26"), 26},
                                   {cidr("fd00:1::/112"), 122},
                                   {cidr("10.0.0.0/30"), 32}}) {
    const BlockOrder order(pool, bits, "node-1");
    std::set<Cidr> seen;
    for (uint64_t i = 0; i < order.count(); ++i) {
      EXPECT_TRUE(pool.contains(order.at(i)));
      EXPECT_EQ(order.at(i).bits(), bits);
      seen.insert(order.at(i));
    }
    EXPECT_EQ(seen.size(), order.count());
  }
  std::set<Cidr> first;
  for (int host = 0; host < 100; ++host)
    first.insert(BlockOrder(cidr("192.168.0.0/16"), 26, "node-" + std::to_string(host)).at(0));
  EXPECT_GT(first.size(), 85U);
  EXPECT_EQ(BlockOrder(cidr("fd00::/48"), 122, "a").at(3).bits(), 122);
  EXPECT_EQ(nth_block(cidr("fd00::/48"), 122, 0x1234567890), cidr("fd00::48d:159e:2400/122"));
}

}  // namespace
}  // namespace caracal::ipam
