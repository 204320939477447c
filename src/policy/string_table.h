// StringTable: texts as small numbers, counted, so that labels compare and hash as integers.
//
// Fed and read by the engine only. Numbers start at 1; 0 means "not in the table" and equals
// nothing. A number stays with its text while somebody holds it and may name another text
// afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "policy/flat_index.h"

namespace caracal::policy {

using StringId = uint32_t;

class StringTable {
 public:
  // Takes hold of the text. Every acquire and retain needs one release.
  StringId acquire(std::string_view text);
  void retain(StringId id) { ++entries_[id].holders; }
  void release(StringId id);
  StringId find(std::string_view text) const;
  std::string_view text(StringId id) const {
    return {entries_[id].text.get(), entries_[id].length};
  }
  size_t size() const { return index_.size(); }

 private:
  struct Entry {
    std::unique_ptr<char[]> text;
    uint32_t length = 0;
    uint32_t holders = 0;
  };
  std::vector<Entry> entries_ = std::vector<Entry>(1);
  FlatIndex index_;
  std::vector<StringId> free_;
};

}  // namespace caracal::policy
