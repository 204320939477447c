#include "apimachinery/quantity.h"

#include <array>

namespace caracal::apimachinery {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view skip_digits(std::string_view text) {
  size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  return text.substr(n);
}

bool is_exponent(std::string_view text) {  // "e3", "E-2"
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return false;
  text.remove_prefix(1);
  if (text[0] == '+' || text[0] == '-') text.remove_prefix(1);
  return !text.empty() && skip_digits(text).empty();
}

}  // namespace

bool is_quantity(std::string_view text) {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  const std::string_view after_whole = skip_digits(text);
  const size_t whole = text.size() - after_whole.size();
  std::string_view rest = after_whole;
  size_t fraction = 0;
  if (!rest.empty() && rest[0] == '.') {
    rest.remove_prefix(1);
    const std::string_view after = skip_digits(rest);
    fraction = rest.size() - after.size();
    rest = after;
  }
  if (whole + fraction == 0) return false;
  static constexpr std::array<std::string_view, 16> kSuffixes = {
      "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u", "m", "k", "M", "G", "T", "P", "E"};
  for (const std::string_view suffix : kSuffixes) {
    if (rest == suffix) return true;
  }
  return is_exponent(rest);
}

bool is_negative_quantity(std::string_view text) {
  // "-0" is zero.
  return !text.empty() && text[0] == '-' &&
         text.find_first_of("123456789") != std::string_view::npos &&
         text.find_first_of("123456789") < text.find_first_of("eEkKmMGTPnu");
}

}  // namespace caracal::apimachinery
