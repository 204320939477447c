#include "lab/kernel_listing.h"

#include <algorithm>
#include <iterator>

#include "base/subprocess.h"

namespace caracal::lab {
namespace {

constexpr std::string_view kVolatile[] = {"handle", "metainfo", "packets", "bytes",
                                          "used",   "expires",  "index"};

json::value without_volatile(const json::value& value) {
  if (const json::object* object = value.if_object()) {
    json::object out;
    for (const auto& member : *object) {
      const std::string_view key(member.key().data(), member.key().size());
      if (std::find(std::begin(kVolatile), std::end(kVolatile), key) != std::end(kVolatile))
        continue;
      out[member.key()] = without_volatile(member.value());
    }
    return out;
  }
  if (const json::array* array = value.if_array()) {
    json::array out;
    for (const json::value& element : *array) out.push_back(without_volatile(element));
    return out;
  }
  return value;
}

}  // namespace

std::vector<std::string> normalize_ruleset(const json::value& ruleset) {
  std::vector<std::string> out;
  for (const json::value& entry : jsonio::get_array(ruleset, {"nftables"})) {
    const json::object* object = entry.if_object();
    if (object == nullptr || object->empty() || object->if_contains("metainfo") != nullptr)
      continue;
    json::value kind = without_volatile(object->begin()->value());
    const std::string name(object->begin()->key());
    if ((name == "set" || name == "map") && kind.is_object()) {
      const std::string title = name + " " + std::string(jsonio::get_string(kind, {"table"})) +
                                "/" + std::string(jsonio::get_string(kind, {"name"}));
      for (const json::value& element : jsonio::get_array(kind, {"elem"})) {
        out.push_back(title + " element " + jsonio::to_string(element));
      }
      kind.get_object().erase("elem");
    }
    out.push_back(name + " " + jsonio::to_string(kind));
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::vector<std::string>> list_kernel(const std::string& netns_path) {
  Command command;
  command.argv = {"nft", "-j", "list", "ruleset"};
  command.netns = netns_path;
  CARACAL_ASSIGN(const std::string text, run_checked(command));
  CARACAL_ASSIGN(const json::value ruleset, jsonio::parse(text));
  return normalize_ruleset(ruleset);
}

std::vector<std::string> compare_listings(const std::vector<std::string>& before,
                                          const std::vector<std::string>& after, size_t limit) {
  std::vector<std::string> gone, added;
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                      std::back_inserter(gone));
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(added));
  std::vector<std::string> out;
  for (const std::string& line : gone) out.push_back("- " + line);
  for (const std::string& line : added) out.push_back("+ " + line);
  if (out.size() > limit) {
    const size_t more = out.size() - limit;
    out.resize(limit);
    out.push_back("... and " + std::to_string(more) + " more");
  }
  return out;
}

}  // namespace caracal::lab
