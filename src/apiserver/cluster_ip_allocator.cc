#include "apiserver/cluster_ip_allocator.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/strings.h"

namespace caracal::apiserver {
namespace {

std::optional<uint32_t> parse_v4(std::string_view text) {
  in_addr address{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::string to_text(uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 0xff, (address >> 8) & 0xff,
                     address & 0xff);
}

}  // namespace

Result<ClusterIpAllocator> ClusterIpAllocator::for_range(std::string_view cidr) {
  const auto parts = split(cidr, '/');
  const auto base = parse_v4(parts[0]);
  const auto bits = parts.size() == 2 ? parse_decimal(parts[1], 32) : std::nullopt;
  if (!base || !bits || *bits < 8 || *bits > 29) {
    return fail(
        Errc::kInvalid,
        fmt::format(
            "\"{}\" is not an IPv4 range for services; want one like 10.96.0.0/16, prefix 8 to 29",
            cidr));
  }
  const uint32_t size = uint32_t{1} << (32 - *bits);
  return ClusterIpAllocator(*base & ~(size - 1), size, std::string(cidr));
}

std::string ClusterIpAllocator::first() const { return to_text(base_ + 1); }

std::optional<std::string> ClusterIpAllocator::allocate(const ObjectKey& owner) {
  // The network's own address and the last one stay free.
  for (uint32_t tries = 0; tries < size_; ++tries) {
    if (next_ < base_ + 2 || next_ >= base_ + size_ - 1) next_ = base_ + 2;
    const uint32_t candidate = next_++;
    if (taken_.try_emplace(candidate, owner).second) return to_text(candidate);
  }
  return std::nullopt;
}

std::optional<std::string> ClusterIpAllocator::reserve(std::string_view address,
                                                       const ObjectKey& owner) {
  const auto number = parse_v4(address);
  if (!number) return std::nullopt;  // another family, or none: not of this range
  if (*number <= base_ || *number >= base_ + size_ - 1) {
    return fmt::format("provided IP is not in the valid range. The range of valid IPs is {}",
                       text_);
  }
  const auto [entry, fresh] = taken_.try_emplace(*number, owner);
  if (!fresh && entry->second != owner) return "provided IP is already allocated";
  return std::nullopt;
}

void ClusterIpAllocator::release(std::string_view address, const ObjectKey& owner) {
  const auto number = parse_v4(address);
  if (!number) return;
  const auto entry = taken_.find(*number);
  if (entry != taken_.end() && entry->second == owner) taken_.erase(entry);
}

}  // namespace caracal::apiserver
