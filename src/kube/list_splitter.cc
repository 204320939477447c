#include "kube/list_splitter.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace caracal::kube {
namespace {

constexpr int kItemsDepth = 2;  // within the list's object and its `items`
constexpr size_t kBlock = 64;

// Where a block has characters that mean something: bit i for byte i.
struct Marks {
  uint64_t quotes = 0;
  uint64_t backslashes = 0;
  uint64_t opens = 0;   // { [
  uint64_t closes = 0;  // } ]
};

// REQUIRES: `text` has kBlock bytes.
Marks marks_of(const char* text) {
  Marks out;
#ifdef __SSE2__
  for (size_t at = 0; at < kBlock; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + at));
    // [ and ] are { and } without this bit, and nothing else becomes one of them with it.
    const __m128i curly = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const auto bits = [&](const __m128i& from, char wanted) {
      const int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(from, _mm_set1_epi8(wanted)));
      return static_cast<uint64_t>(static_cast<uint32_t>(mask)) << at;
    };
    out.quotes |= bits(bytes, '"');
    out.backslashes |= bits(bytes, '\\');
    out.opens |= bits(curly, '{');
    out.closes |= bits(curly, '}');
  }
#else
  for (size_t at = 0; at < kBlock; ++at) {
    const uint64_t bit = uint64_t{1} << at;
    switch (text[at]) {
      case '"':
        out.quotes |= bit;
        break;
      case '\\':
        out.backslashes |= bit;
        break;
      case '{':
      case '[':
        out.opens |= bit;
        break;
      case '}':
      case ']':
        out.closes |= bit;
        break;
      default:
        break;
    }
  }
#endif
  return out;
}

// Bit i tells whether the bits up to i, itself included, are odd in number: with quotes, whether
// byte i is in a string that began in the block.
uint64_t parity_up_to(uint64_t bits) {
  for (unsigned shift = 1; shift < kBlock; shift *= 2) bits ^= bits << shift;
  return bits;
}

}  // namespace

// A quote, backslash or bracket within an item. True when it ends the item.
bool ListSplitter::meet(char c) {
  if (in_string_) {
    if (c == '\\') escaped_ = true;
    if (c == '"') in_string_ = false;
    return false;
  }
  if (c == '"') in_string_ = true;
  if (c == '{' || c == '[') ++depth_;
  return (c == '}' || c == ']') && --depth_ == kItemsDepth;
}

// Looks on through an item from `at`. The place behind its last character, or npos when it does not
// end in this piece.
size_t ListSplitter::end_of_item(std::string_view piece, size_t at) {
  for (; at < piece.size(); at += kBlock) {
    const size_t size = std::min(kBlock, piece.size() - at);
    const char* text = piece.data() + at;
    char padded[kBlock];
    if (size < kBlock) {
      std::memset(padded, ' ', kBlock);
      std::memcpy(padded, text, size);
      text = padded;
    }
    const Marks marks = marks_of(text);
    if (marks.backslashes == 0 && !escaped_) {
      const uint64_t in_string = parity_up_to(marks.quotes) ^ (in_string_ ? ~uint64_t{0} : 0);
      const uint64_t opens = marks.opens & ~in_string;
      const uint64_t closes = marks.closes & ~in_string;
      in_string_ = in_string >> (kBlock - 1) != 0;
      if (depth_ - std::popcount(closes) > kItemsDepth) {  // deep enough not to end here
        depth_ += std::popcount(opens) - std::popcount(closes);
        continue;
      }
      for (uint64_t rest = opens | closes; rest != 0; rest &= rest - 1) {
        const int i = std::countr_zero(rest);
        if ((opens >> i & 1) != 0) {
          ++depth_;
        } else if (--depth_ == kItemsDepth) {
          in_string_ = false;
          return at + static_cast<size_t>(i) + 1;
        }
      }
      continue;
    }
    // Mark by mark. An escape is good for the next byte, whatever that is.
    size_t escaped = escaped_ ? 0 : std::string_view::npos;
    escaped_ = false;
    for (uint64_t rest = marks.quotes | marks.backslashes | marks.opens | marks.closes; rest != 0;
         rest &= rest - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(rest));
      if (i == escaped) continue;
      if (meet(text[i])) return at + i + 1;
      if (std::exchange(escaped_, false)) escaped = i + 1;
    }
    escaped_ = escaped == size;
  }
  return std::string_view::npos;
}

// One byte that is not within the items: kept, and watched for `"items": [` in the list itself.
void ListSplitter::outside(char c) {
  rest_.push_back(c);
  if (in_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
      return;
    }
    if (depth_ == 1) text_.push_back(c);
    return;
  }
  switch (c) {
    case '"':
      in_string_ = true;
      text_.clear();
      break;
    case ':':
      if (depth_ == 1) key_ = text_;
      break;
    case ',':
      if (depth_ == 1) key_.clear();
      break;
    case '[':
      if (depth_ == 1 && key_ == "items") place_ = Place::kItems;
      ++depth_;
      break;
    case '{':
      ++depth_;
      break;
    case ']':
    case '}':
      --depth_;
      break;
    default:
      break;
  }
}

bool ListSplitter::feed(std::string_view piece, const OnItem& on_item) {
  for (size_t i = 0; i < piece.size();) {
    if (place_ == Place::kOutside) {
      outside(piece[i++]);
      continue;
    }
    if (place_ == Place::kItems) {
      const char c = piece[i];
      if (c == '{') {
        place_ = Place::kItem;  // which begins here
      } else if (c == ']') {
        place_ = Place::kOutside;
        key_.clear();
      } else {
        // An item must be an object.
        if (c != ',' && c != ' ' && c != '\n' && c != '\r' && c != '\t') bad_ = true;
        ++i;
      }
      continue;
    }
    const size_t end = end_of_item(piece, i);
    const std::string_view part = piece.substr(i, end == piece.npos ? end : end - i);
    if (end == piece.npos) {
      item_ += part;
      return true;
    }
    i = end;
    place_ = Place::kItems;
    if (item_.empty()) {
      if (!on_item(part)) return false;
      continue;
    }
    item_ += part;
    const bool goes_on = on_item(item_);
    item_.clear();
    if (!goes_on) return false;
  }
  return true;
}

Result<json::value> ListSplitter::finish() {
  if (place_ != Place::kOutside) return fail(Errc::kUnavailable, "the list ends within its items");
  if (bad_) return fail(Errc::kInvalid, "the list holds an item that is not an object");
  auto list = jsonio::parse(rest_);
  if (!list) return fail(list.error().within("the list"));
  if (!list->is_object()) return fail(Errc::kInvalid, "the list is not an object");
  return list;
}

}  // namespace caracal::kube
