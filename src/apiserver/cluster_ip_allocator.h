// ClusterIpAllocator: the service addresses of one IPv4 range, each given out once.
//
// Used on the store's commit thread (allocate) and by its listener (observe), which run one at a
// time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "apiserver/store.h"
#include "base/result.h"

namespace caracal::apiserver {

class ClusterIpAllocator {
 public:
  // "10.96.0.0/16"; the prefix must leave room for at least 6 addresses (/8 to /29).
  static Result<ClusterIpAllocator> for_range(std::string_view cidr);

  // The first address: that of the `kubernetes` service.
  std::string first() const;
  // A free address, or nothing when all are taken. Reserved from then on.
  std::optional<std::string> allocate(const ObjectKey& owner);
  // Reserves a given one; says why it cannot be.
  std::optional<std::string> reserve(std::string_view address, const ObjectKey& owner);
  void release(std::string_view address, const ObjectKey& owner);

 private:
  ClusterIpAllocator(uint32_t base, uint32_t size, std::string text)
      : base_(base), size_(size), next_(base + 10), text_(std::move(text)) {}

  uint32_t base_;
  uint32_t size_;
  uint32_t next_;  // where the next search begins, so that a freed address rests
  std::string text_;
  std::map<uint32_t, ObjectKey> taken_;
};

}  // namespace caracal::apiserver
