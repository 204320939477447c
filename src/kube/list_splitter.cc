#include "kube/list_splitter.h"

#include <utility>

namespace caracal::kube {

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
  constexpr int kItemsDepth = 2;
  size_t begin = 0;  // of the item within this piece
  for (size_t i = 0; i < piece.size(); ++i) {
    const char c = piece[i];
    switch (place_) {
      case Place::kOutside:
        outside(c);
        break;
      case Place::kItems:
        if (c == '{') {
          place_ = Place::kItem;
          ++depth_;
          begin = i;
        } else if (c == ']') {
          place_ = Place::kOutside;
          key_.clear();
          outside(c);
        } else if (c != ',' && c != ' ' && c != '\n' && c != '\r' && c != '\t') {
          bad_ = true;  // an item that is no object
        }
        break;
      case Place::kItem:
        if (in_string_) {
          if (escaped_) {
            escaped_ = false;
          } else if (c == '\\') {
            escaped_ = true;
          } else if (c == '"') {
            in_string_ = false;
          }
        } else if (c == '"') {
          in_string_ = true;
        } else if (c == '{' || c == '[') {
          ++depth_;
        } else if ((c == '}' || c == ']') && --depth_ == kItemsDepth) {
          place_ = Place::kItems;
          const std::string_view tail = piece.substr(begin, i + 1 - begin);
          const std::string whole =
              item_.empty() ? std::string() : std::exchange(item_, {}).append(tail);
          if (!on_item(whole.empty() ? tail : std::string_view(whole))) return false;
        }
        break;
    }
  }
  if (place_ == Place::kItem) item_ += piece.substr(begin);
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
