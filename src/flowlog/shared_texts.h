// SharedTexts: texts that many objects have in common, kept once each while somebody uses them.
// Addresses of texts stay valid until the last release. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

namespace caracal::flowlog {

class SharedTexts {
 public:
  // One release each.
  const std::string* acquire(std::string text) {
    const auto it = uses_.try_emplace(std::move(text), 0).first;
    ++it->second;
    return &it->first;
  }
  // REQUIRES: `text` came from acquire(), or is null.
  void release(const std::string* text) {
    if (text == nullptr) return;
    const auto it = uses_.find(*text);
    if (--it->second == 0) uses_.erase(it);
  }
  size_t size() const { return uses_.size(); }

 private:
  std::unordered_map<std::string, uint32_t> uses_;
};

}  // namespace caracal::flowlog
