// ListSplitter: takes the JSON text of a Kubernetes list in pieces and gives each element of its
// `items` as soon as it is whole, so that a list of thousands of objects is never in memory at
// once, neither as text nor as values.
//
// It only looks for strings and brackets; whether an item is JSON, its parser tells. Items, nearly
// all of a list, are looked through 64 bytes at a time. Used by Reflector.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::kube {

class ListSplitter {
 public:
  // Gets one item, valid during the call; false ends the feeding.
  using OnItem = std::function<bool(std::string_view)>;

  // The next piece, cut anywhere. Returns false when on_item did; the splitter is of no use then.
  bool feed(std::string_view piece, const OnItem& on_item);

  // After the last piece: the list with `items` empty. Errors: the text is no JSON object, or ended
  // early.
  Result<json::value> finish();

 private:
  enum class Place { kOutside, kItems, kItem };

  void outside(char c);
  size_t end_of_item(std::string_view piece, size_t at);
  bool meet(char c);

  Place place_ = Place::kOutside;
  int depth_ = 0;  // of brackets, from the list's own
  bool in_string_ = false;
  bool escaped_ = false;
  bool bad_ = false;
  std::string text_;  // last string outside, to know the member `items`
  std::string key_;
  std::string item_;  // begin of an item whose end has not come yet
  std::string rest_;  // everything but the items
};

}  // namespace caracal::kube
