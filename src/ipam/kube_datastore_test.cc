// KubeDatastore and what stands on it, against Caracal's API server in this process.
#include "ipam/kube_datastore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "apiserver/testing/api_fixture.h"
#include "ipam/address_claims.h"
#include "ipam/address_world.h"
#include "ipam/block_json.h"

namespace caracal::ipam {
namespace {

using ::testing::SizeIs;

class KubeDatastoreTest : public apiserver::testing::ApiFixture {
 protected:
  KubeDatastoreTest() : ApiFixture(true) {}

  // What a call answers.
  template <typename T, typename Call>
  Result<T> answer(Call call) {
    std::optional<Result<T>> got;
    call([&](Result<T> result) { got = std::move(result); });
    EXPECT_FALSE(got.has_value()) << "answered inside the call";
    until([&] { return got.has_value(); });
    return got.has_value() ? std::move(*got) : fail(Errc::kTimeout, "no answer");
  }
  Result<json::value> get(Kind kind, const std::string& name) {
    return answer<json::value>([&](auto done) { store_.get(kind, name, done); });
  }
  Result<json::value> create(Kind kind, const json::value& object) {
    return answer<json::value>([&](auto done) { store_.create(kind, object, done); });
  }
  Result<json::value> update(Kind kind, const json::value& object) {
    return answer<json::value>([&](auto done) { store_.update(kind, object, done); });
  }
  Status remove(Kind kind, const std::string& name, const Precondition& precondition) {
    return answer<void>([&](auto done) { store_.remove(kind, name, precondition, done); });
  }

  KubeDatastore store_{client_};
};

TEST_F(KubeDatastoreTest, ComparesAndSwaps) {
  StoredBlock block;
  block.value =
      Block(net::Cidr::parse("10.0.0.0/30").value(), Owner::host("n1"), 1'700'000'000'000'000'000);
  (void)block.value.assign(1, "h1", {{"node", "n1"}}, [](const auto&) { return true; });
  EXPECT_EQ(get(Kind::kBlock, "10-0-0-0-30").error().code, Errc::kNotFound);
  const auto made = create(Kind::kBlock, encode(block));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(jsonio::get_string(*made, {"apiVersion"}), "crd.projectcalico.org/v1");
  EXPECT_EQ(create(Kind::kBlock, encode(block)).error().code, Errc::kExists);
  StoredBlock first = decode_block(*made).value();
  EXPECT_EQ(first.value, block.value);
  first.value.next_sequence();
  const auto second = update(Kind::kBlock, encode(first));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(update(Kind::kBlock, encode(first)).error().code, Errc::kConflict);
  EXPECT_EQ(
      remove(Kind::kBlock, first.name(), {first.uid(), first.resource_version()}).error().code,
      Errc::kConflict);
  const StoredBlock now = decode_block(*second).value();
  ASSERT_TRUE(remove(Kind::kBlock, now.name(), {now.uid(), now.resource_version()}));
  EXPECT_EQ(update(Kind::kBlock, encode(now)).error().code, Errc::kNotFound);
  EXPECT_EQ(remove(Kind::kBlock, now.name(), {}).error().code, Errc::kNotFound);
}

TEST_F(KubeDatastoreTest, AgentsGetAddresses) {
  LoopSchedule schedule(loop_);
  model::IpPool pool;
  pool.name = "p";
  pool.cidr = net::Cidr::parse("10.0.0.0/24").value();
  pool.block_bits = 28;
  std::vector<std::unique_ptr<AddressClaims>> agents;
  for (const char* node : {"n1", "n2", "n3"}) {
    ClaimsOptions options;
    options.node = node;
    options.request_limit = event::Duration(600'000);  // on a busy machine, too
    agents.push_back(std::make_unique<AddressClaims>(schedule, store_, options));
    agents.back()->update(model::IpPoolUpdate{pool.name, pool});
    agents.back()->in_sync();
  }
  std::set<net::IpAddr> addresses;
  size_t answers = 0;
  for (int i = 0; i < 40; ++i) {
    for (const auto& agent : agents) {
      AssignRequest request;
      request.handle_id = "h" + std::to_string(answers++);
      request.families = {net::Family::kIPv4};
      agent->assign(request, [&](const auto& got) {
        ASSERT_TRUE(got) << got.error().message;
        EXPECT_TRUE(addresses.insert(got->front()).second);
      });
    }
  }
  until([&] { return addresses.size() == 120; });
  EXPECT_THAT(addresses, SizeIs(120));
  const auto confirmed = [&] {
    const auto records =
        answer<AddressRecords>([&](auto done) { load_records(store_, done); }).value();
    EXPECT_THAT(records.problems, SizeIs(0));
    return records.affinities.size() == 9 &&
           std::all_of(records.affinities.begin(), records.affinities.end(), [](const auto& each) {
             return each.second.value.state == ClaimState::kConfirmed;
           });
  };
  bool all = false;
  for (int i = 0; i < 100 && !all; ++i) all = confirmed();
  EXPECT_TRUE(all);
}

}  // namespace
}  // namespace caracal::ipam
