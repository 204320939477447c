// StringTable: texts as small numbers, counted, so that labels compare and hash as integers.
//
// Fed and read by the engine only. Numbers start at 1; 0 means "not in the table" and equals
// nothing. A number stays with its text while somebody holds it and may name another text
// afterwards.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace caracal::policy {

using StringId = uint32_t;

class StringTable {
 public:
  // Takes hold of the text. Every acquire and retain needs one release.
  StringId acquire(std::string_view text);
  void retain(StringId id) { ++entries_[id - 1].holders; }
  void release(StringId id);
  StringId find(std::string_view text) const;
  const std::string& text(StringId id) const { return entries_[id - 1].text; }
  size_t size() const { return ids_.size(); }

 private:
  struct Entry {
    std::string text;
    uint32_t holders = 0;
  };
  std::deque<Entry> entries_;  // a deque: the keys of ids_ point into it
  std::unordered_map<std::string_view, StringId> ids_;
  std::vector<StringId> free_;
};

}  // namespace caracal::policy
