#include "bgp/bird_text.h"

#include <algorithm>
#include <cctype>

#include "base/sha1.h"

namespace caracal::bgp {
namespace {

constexpr size_t kLongestString = 255;
constexpr size_t kLongestReadable = 30;

bool is_control(char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; }
bool cannot_stand(char c) { return c == '"' || is_control(c); }

}  // namespace

std::optional<std::string> bird_string(std::string_view text) {
  if (text.size() > kLongestString || std::any_of(text.begin(), text.end(), cannot_stand))
    return std::nullopt;
  return '"' + std::string(text) + '"';
}

std::string bird_description(std::string_view text) {
  std::string out(text.substr(0, kLongestString));
  std::replace_if(out.begin(), out.end(), cannot_stand, '?');
  return '"' + out + '"';
}

std::string bird_comment(std::string_view text) {
  std::string out(text.substr(0, kLongestString));
  std::replace_if(out.begin(), out.end(), is_control, '?');
  return "# " + out;
}

std::string bird_symbol(std::string_view prefix, std::string_view text) {
  std::string out = std::string(prefix) + "_";
  for (const char c : text.substr(0, kLongestReadable))
    out += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return out + "_" + sha1_hex(text).substr(0, 8);
}

}  // namespace caracal::bgp
