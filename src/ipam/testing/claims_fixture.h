// For tests of the address management: pools and agents as short calls, and pictures of what the
// datastore says.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ipam/address_claims.h"
#include "ipam/address_world.h"
#include "ipam/block_json.h"
#include "ipam/testing/memory_datastore.h"
#include "ipam/testing/virtual_schedule.h"

namespace caracal::ipam::testing {

inline net::Cidr cidr(std::string_view text) { return net::Cidr::parse(text).value(); }
inline net::IpAddr ip(std::string_view text) { return net::IpAddr::parse(text).value(); }

inline model::IpPool pool(const std::string& name, std::string_view range, int block_bits) {
  model::IpPool out;
  out.name = name;
  out.cidr = cidr(range);
  out.block_bits = block_bits;
  return out;
}

inline AssignRequest pod_request(const std::string& handle,
                                 std::vector<net::Family> families = {net::Family::kIPv4}) {
  AssignRequest out;
  out.handle_id = handle;
  out.attributes = {{"namespace", "dev"}, {"pod", handle}};
  out.families = std::move(families);
  return out;
}

// The answer of one call, when it has come.
template <typename T>
using Answer = std::shared_ptr<std::optional<Result<T>>>;

class ClaimsTest : public ::testing::Test {
 protected:
  // An agent that knows the pools, reservations and settings of the test.
  std::unique_ptr<AddressClaims> agent(const std::string& node, bool write_handles = false) {
    ClaimsOptions options;
    options.node = node;
    options.write_handles = write_handles;
    options.gather = gather;
    options.random = [] { return 0.5; };
    auto claims = std::make_unique<AddressClaims>(schedule, store, options);
    tell(*claims);
    model::NodeNetwork self;
    self.name = node;
    self.labels = {{"zone", "a"}};
    claims->update(model::NodeNetworkUpdate{node, self});
    claims->in_sync();
    return claims;
  }
  void tell(AddressClaims& claims) {
    for (const model::IpPool& each : pools) claims.update(model::IpPoolUpdate{each.name, each});
    for (const model::IpReservation& each : reservations)
      claims.update(model::IpReservationUpdate{each.name, each});
    claims.update(model::IpamSettingsUpdate{settings});
  }

  Answer<std::vector<net::IpAddr>> ask(AddressClaims& claims, AssignRequest request) {
    auto answer = std::make_shared<std::optional<Result<std::vector<net::IpAddr>>>>();
    claims.assign(std::move(request), [answer](Result<std::vector<net::IpAddr>> got) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = std::move(got);
    });
    EXPECT_FALSE(answer->has_value()) << "answered inside the call";
    return answer;
  }
  Result<std::vector<net::IpAddr>> assign(AddressClaims& claims, AssignRequest request) {
    const auto answer = ask(claims, std::move(request));
    settle([&] { return answer->has_value(); });
    return answer->has_value() ? **answer : fail(Errc::kTimeout, "no answer");
  }
  Result<std::vector<net::IpAddr>> assign(AddressClaims& claims, const std::string& handle) {
    return assign(claims, pod_request(handle));
  }
  Status release(AddressClaims& claims, const std::string& handle) {
    auto answer = std::make_shared<std::optional<Status>>();
    claims.release_all_of(handle, [answer](const Status& status) { *answer = status; });
    settle([&] { return answer->has_value(); });
    return answer->has_value() ? **answer : fail(Errc::kTimeout, "no answer");
  }
  void settle(const std::function<bool()>& until) {
    for (int i = 0; i < 1'000'000 && !until(); ++i) {
      if (!schedule.step()) break;
    }
  }
  // Runs what follows (confirmations, things given back), but no request limits.
  void calm() { schedule.run_for(event::Duration(3'000)); }

  AddressRecords records() {
    AddressRecords out;
    for (const auto& [name, object] : store.objects(Kind::kBlock)) {
      auto stored = decode_block(object);
      EXPECT_TRUE(stored) << stored.error().message;
      if (stored) out.blocks.emplace(stored->value.cidr(), std::move(*stored));
    }
    for (const auto& [name, object] : store.objects(Kind::kAffinity))
      out.affinities.emplace(name, decode_affinity(object).value());
    for (const auto& [name, object] : store.objects(Kind::kHandle))
      out.handles.emplace(name, decode_handle(object).value());
    return out;
  }
  // "10.0.0.0/30 host:n1 [h1 h2 - -]" for each block, "n1-10-0-0-0-30 confirmed" for each affinity.
  std::vector<std::string> picture() {
    std::vector<std::string> out;
    const AddressRecords all = records();
    for (const auto& [range, stored] : all.blocks) {
      const Block& block = stored.value;
      std::string line = range.to_string() + " " +
                         (block.affinity() ? block.affinity()->to_string() : "nobody") + " [";
      for (uint32_t i = 0; i < block.size(); ++i) {
        const auto held = block.allocation_of(block.address_of(i));
        line += (i > 0 ? " " : "") +
                (held ? held->handle_id : std::string(block.is_cooling(i) ? "~" : "-"));
      }
      out.push_back(line + "]");
    }
    for (const auto& [name, stored] : all.affinities)
      out.push_back(name + " " + std::string(to_string(stored.value.state)));
    return out;
  }

  VirtualSchedule schedule;
  MemoryDatastore store{schedule};
  std::vector<model::IpPool> pools;
  std::vector<model::IpReservation> reservations;
  model::IpamSettings settings;
  GatherOptions gather;
};

}  // namespace caracal::ipam::testing
