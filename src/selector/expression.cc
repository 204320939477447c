#include "selector/expression.h"

#include <fmt/format.h>

#include <algorithm>

namespace caracal::selector {
namespace {

constexpr std::string_view kOperators =
    "one of ==, !=, in, not in, contains, starts with, ends with";

bool is_label_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '/' || c == '-';
}

class ExpressionParser {
 public:
  ExpressionParser(std::string_view text, const ExpressionReading& reading)
      : text_(text), reading_(reading) {}

  Result<Selector> parse() {
    if (text_.size() > kMaxExpressionBytes) {
      return fail(Errc::kInvalid, fmt::format("selector of {} bytes: at most {} are allowed",
                                              text_.size(), kMaxExpressionBytes));
    }
    skip_space();
    if (at_end()) return Selector();
    CARACAL_ASSIGN(Selector result, disjunction());
    if (!at_end()) return unexpected("\"&&\", \"||\" or the end");
    if (global_at_ && reading_.global == ExpressionReading::Global::kAlone && !alone(*global_at_)) {
      return error(*global_at_, "global() may only stand alone, as the whole selector");
    }
    return result;
  }

 private:
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  std::string_view rest() const { return text_.substr(at_); }

  void skip_space() {
    while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  // Takes `symbol` and the space behind it, if it stands here.
  bool take(std::string_view symbol) {
    if (!rest().starts_with(symbol)) return false;
    at_ += symbol.size();
    skip_space();
    return true;
  }

  // The text for a message: of a very long one its beginning.
  std::string shown() const {
    constexpr size_t kMost = 1024;
    if (text_.size() <= kMost) return std::string(text_);
    size_t size = kMost;
    while (size > 0 && (static_cast<unsigned char>(text_[size]) & 0xC0) == 0x80) --size;  // UTF-8
    return std::string(text_.substr(0, size)) + "...";
  }
  tl::unexpected<Error> error(size_t at, std::string_view what) const {
    return fail(Errc::kInvalid,
                fmt::format("selector \"{}\": column {}: {}", shown(), at + 1, what));
  }
  tl::unexpected<Error> unexpected(std::string_view expected) const {
    return error(at_, fmt::format("found {}, expected {}", found(), expected));
  }
  // What stands here: a word, a symbol of two characters, or one character.
  std::string found() const {
    if (at_end()) return "the end";
    size_t size = 0;
    while (at_ + size < text_.size() && is_label_char(text_[at_ + size])) ++size;
    if (size == 0) {
      const std::string_view two = rest().substr(0, 2);
      size = two == "==" || two == "!=" || two == "&&" || two == "||" ? 2 : 1;
    }
    const std::string_view token = rest().substr(0, std::min<size_t>(size, 40));
    if (token == "\n") return "a line break";
    return fmt::format("\"{}\"", token);
  }

  Result<Selector> disjunction() {
    std::vector<Selector> parts;
    do {
      CARACAL_ASSIGN(Selector part, conjunction());
      parts.push_back(std::move(part));
    } while (take("||"));
    if (peek() == '|') return unexpected("\"||\"");
    return Selector::any_of(std::move(parts));
  }

  Result<Selector> conjunction() {
    std::vector<Selector> parts;
    do {
      CARACAL_ASSIGN(Selector part, unary());
      parts.push_back(std::move(part));
    } while (take("&&"));
    if (peek() == '&') return unexpected("\"&&\"");
    return Selector::all_of(std::move(parts));
  }

  Result<Selector> unary() {
    bool negated = false;
    while (take("!")) negated = !negated;
    CARACAL_ASSIGN(Selector result, primary());
    return negated ? Selector::negation(std::move(result)) : result;
  }

  Result<Selector> primary() {
    const size_t open = at_;
    if (take("(")) {
      // Each level is a level of the stack, here and for whoever walks the tree.
      if (++depth_ > kMaxExpressionDepth) {
        return error(
            open, fmt::format("more than {} parentheses within each other", kMaxExpressionDepth));
      }
      CARACAL_ASSIGN(Selector inner, disjunction());
      --depth_;
      if (!take(")")) return unexpected("\"&&\", \"||\" or \")\"");
      return inner;
    }
    const size_t begin = at_;
    if (take("has(")) {
      CARACAL_ASSIGN(std::string key, label());
      if (!take(")")) return unexpected("\")\"");
      return Selector::requirement(Op::kExists, std::move(key));
    }
    if (take("all(")) {
      if (!take(")")) return unexpected("\")\"");
      return reading_.all_means.value_or(Selector());
    }
    if (take("global(")) {
      if (!take(")")) return unexpected("\")\"");
      if (reading_.global == ExpressionReading::Global::kNowhere) {
        return error(begin,
                     "global() is valid only in the namespaceSelector of a rule's source or "
                     "destination");
      }
      global_at_ = begin;
      return reading_.global_means.value_or(Selector());
    }
    if (!is_label_char(peek())) {
      return unexpected("a label, has(LABEL), all(), global(), \"!\" or \"(\"");
    }
    CARACAL_ASSIGN(std::string key, label());
    return comparison(std::move(key));
  }

  Result<std::string> label() {
    size_t size = 0;
    while (at_ + size < text_.size() && is_label_char(text_[at_ + size])) ++size;
    if (size == 0) return unexpected("a label");
    if (size > kMaxLabelBytes) {
      return error(at_, fmt::format("a label of {} characters: at most {} are allowed", size,
                                    kMaxLabelBytes));
    }
    std::string key(reading_.key_prefix);
    key += text_.substr(at_, size);
    at_ += size;
    skip_space();
    return key;
  }

  // Takes the words, with or without space between them, if they stand here as whole words.
  bool take_words(std::string_view first, std::string_view second = {}) {
    const size_t begin = at_;
    bool whole = take(first);
    if (whole && !second.empty()) whole = take(second);
    // A word ends where no label could go on; space may have been skipped behind it.
    if (whole && is_label_char(text_[at_ - 1]) && is_label_char(peek())) whole = false;
    if (!whole) at_ = begin;
    return whole;
  }

  Result<Selector> comparison(std::string key) {
    if (take("==")) return with_text(Op::kIn, std::move(key));
    if (take("!=")) return with_text(Op::kNotIn, std::move(key));
    if (take_words("in")) return with_set(Op::kIn, std::move(key));
    if (take_words("not", "in")) return with_set(Op::kNotIn, std::move(key));
    if (take_words("contains")) return with_text(Op::kContains, std::move(key));
    if (take_words("starts", "with")) return with_text(Op::kStartsWith, std::move(key));
    if (take_words("ends", "with")) return with_text(Op::kEndsWith, std::move(key));
    return unexpected(kOperators);
  }

  Result<Selector> with_text(Op op, std::string key) {
    CARACAL_ASSIGN(std::string value, text());
    return Selector::requirement(op, std::move(key), {std::move(value)});
  }

  Result<Selector> with_set(Op op, std::string key) {
    if (!take("{")) return unexpected("\"{\"");
    std::vector<std::string> values;
    while (!take("}")) {
      CARACAL_ASSIGN(std::string value, text());
      values.push_back(std::move(value));
      if (!take(",") && peek() != '}') return unexpected("\",\" or \"}\"");
    }
    return Selector::requirement(op, std::move(key), std::move(values));
  }

  Result<std::string> text() {
    const char quote = peek();
    if (at_end() || (quote != '"' && quote != '\'')) {
      return unexpected("a text in double or single quotes");
    }
    const size_t begin = at_ + 1;
    const size_t end = text_.find(quote, begin);
    if (end == std::string_view::npos) {
      return error(at_, fmt::format("the text that begins here has no closing {}", quote));
    }
    at_ = end + 1;
    skip_space();
    return std::string(text_.substr(begin, end - begin));
  }

  // Is global(), which begins at `at`, all there is?
  bool alone(size_t at) const {
    const size_t close = text_.find(')', at);
    return text_.find_first_not_of(" \t") == at &&
           text_.find_first_not_of(" \t", close + 1) == std::string_view::npos;
  }

  std::string_view text_;
  const ExpressionReading& reading_;
  size_t at_ = 0;
  size_t depth_ = 0;
  std::optional<size_t> global_at_;
};

}  // namespace

Result<Selector> Selector::parse_expression(std::string_view text) {
  ExpressionReading reading;
  reading.global = ExpressionReading::Global::kAnywhere;
  return ExpressionParser(text, reading).parse();
}

Result<Selector> parse_expression(std::string_view text, const ExpressionReading& reading) {
  return ExpressionParser(text, reading).parse();
}

}  // namespace caracal::selector
