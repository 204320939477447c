// IPAMBlock, BlockAffinity and IPAMHandle as bytes. Whatever comes: what is taken keeps Block's
// invariants, is the same after writing and reading, and changes of it keep the invariants, too.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "ipam/block_json.h"
#include "jsonio/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace caracal;
  const auto parsed = jsonio::parse({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  if (const auto affinity = ipam::decode_affinity(*parsed)) {
    const auto again = ipam::decode_affinity(ipam::encode(*affinity));
    CARACAL_CHECK(again && again->value == affinity->value);
  }
  if (const auto handle = ipam::decode_handle(*parsed)) {
    const auto again = ipam::decode_handle(ipam::encode(*handle));
    CARACAL_CHECK(again && again->value == handle->value);
  }
  auto stored = ipam::decode_block(*parsed);
  if (!stored) return 0;
  ipam::Block& block = stored->value;
  CARACAL_CHECK(block.problem().empty());
  const auto again = ipam::decode_block(ipam::encode(*stored));
  CARACAL_CHECK(again && again->value == block);
  const uint32_t free = block.free_count();
  const auto taken = block.assign(3, "fuzz", {{"node", "n"}}, [](const auto&) { return true; });
  CARACAL_CHECK(taken.size() == std::min<size_t>(free, 3) && block.problem().empty());
  const Time now{};
  const size_t had = block.allocations_of("fuzz").size();
  CARACAL_CHECK(had >= taken.size() && block.release_handle("fuzz", now, 0) == had);
  CARACAL_CHECK(block.problem().empty());
  (void)block.cool(now, 0);
  CARACAL_CHECK(block.problem().empty());
  return 0;
}
