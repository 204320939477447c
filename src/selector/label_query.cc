// Selector::parse_label_query: the text of kubectl's -l and of the API's ?labelSelector=.
//
//   query       = [ requirement *( "," requirement ) ]
//   requirement = key [ ( "=" | "==" | "!=" ) [ value ] | ( "in" | "notin" ) "(" values ")" ] | "!"
//   key values      = [ value ] *( "," [ value ] )
#include <fmt/format.h>

#include "selector/label_syntax.h"
#include "selector/selector.h"

namespace caracal::selector {
namespace {

struct Token {
  enum class Kind { kWord, kSymbol, kEnd } kind = Kind::kEnd;
  std::string_view text;
  size_t position = 0;  // counted from 1

  bool is(std::string_view symbol) const { return kind == Kind::kSymbol && text == symbol; }
  bool is_word(std::string_view word) const { return kind == Kind::kWord && text == word; }
  std::string found() const { return kind == Kind::kEnd ? "the end" : fmt::format("\"{}\"", text); }
};

class QueryParser {
 public:
  explicit QueryParser(std::string_view text) : text_(text) { advance(); }

  Result<Selector> parse() {
    std::vector<Selector> parts;
    if (token_.kind == Token::Kind::kEnd) return Selector();
    while (true) {
      CARACAL_ASSIGN(Selector part, requirement());
      parts.push_back(std::move(part));
      if (token_.kind == Token::Kind::kEnd) return Selector::all_of(std::move(parts));
      if (!token_.is(",")) return unexpected("',' or the end");
      advance();
    }
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
  static bool is_symbol(char c) {
    return c == '=' || c == '!' || c == '(' || c == ')' || c == ',' || c == '<' || c == '>';
  }

  void advance() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    const size_t start = at_;
    token_.position = start + 1;
    if (at_ == text_.size()) {
      token_.kind = Token::Kind::kEnd;
      token_.text = {};
      return;
    }
    if (is_symbol(text_[at_])) {
      token_.kind = Token::Kind::kSymbol;
      ++at_;
      const char first = text_[start];
      if ((first == '=' || first == '!') && at_ < text_.size() && text_[at_] == '=') ++at_;
    } else {
      token_.kind = Token::Kind::kWord;
      while (at_ < text_.size() && !is_symbol(text_[at_]) && !is_space(text_[at_])) ++at_;
    }
    token_.text = text_.substr(start, at_ - start);
  }

  tl::unexpected<Error> error(size_t position, std::string_view what) const {
    return fail(Errc::kInvalid,
                fmt::format("label selector \"{}\": position {}: {}", text_, position, what));
  }
  tl::unexpected<Error> unexpected(std::string_view expected) const {
    return error(token_.position, fmt::format("found {}, expected {}", token_.found(), expected));
  }

  Result<std::string> key() {
    if (token_.kind != Token::Kind::kWord) return unexpected("a label key");
    if (const auto problem = label_key_problem(token_.text)) {
      return error(token_.position,
                   fmt::format("Invalid value: \"{}\": {}", token_.text, *problem));
    }
    std::string out(token_.text);
    advance();
    return out;
  }

  // A value, or the empty text when the next token is none.
  Result<std::string> value() {
    if (token_.kind != Token::Kind::kWord) return std::string();
    if (const auto problem = label_value_problem(token_.text)) {
      return error(token_.position,
                   fmt::format("Invalid value: \"{}\": {}", token_.text, *problem));
    }
    std::string out(token_.text);
    advance();
    return out;
  }

  Result<Selector> requirement() {
    if (token_.is("!")) {
      advance();
      CARACAL_ASSIGN(std::string name, key());
      return Selector::requirement(Op::kNotExists, std::move(name));
    }
    CARACAL_ASSIGN(std::string name, key());
    if (token_.kind == Token::Kind::kEnd || token_.is(",")) {
      return Selector::requirement(Op::kExists, std::move(name));
    }
    if (token_.is("=") || token_.is("==") || token_.is("!=")) {
      const Op op = token_.is("!=") ? Op::kNotIn : Op::kIn;
      advance();
      CARACAL_ASSIGN(std::string wanted, value());
      return Selector::requirement(op, std::move(name), {std::move(wanted)});
    }
    if (token_.is_word("in") || token_.is_word("notin")) {
      const Op op = token_.is_word("in") ? Op::kIn : Op::kNotIn;
      advance();
      CARACAL_ASSIGN(std::vector<std::string> wanted, value_list());
      return Selector::requirement(op, std::move(name), std::move(wanted));
    }
    if (token_.is("<") || token_.is(">")) {
      return error(token_.position,
                   fmt::format("\"{}\" compares numbers, which labels of this API do not support; "
                               "valid are =, ==, !=, in, notin",
                               token_.text));
    }
    return unexpected("one of '=', '==', '!=', 'in', 'notin', ',' or the end");
  }

  Result<std::vector<std::string>> value_list() {
    if (!token_.is("(")) return unexpected("'('");
    advance();
    std::vector<std::string> out;
    while (true) {
      CARACAL_ASSIGN(std::string one, value());
      out.push_back(std::move(one));
      if (token_.is(")")) break;
      if (!token_.is(",")) return unexpected("',' or ')'");
      advance();
    }
    advance();
    return out;
  }

  std::string_view text_;
  size_t at_ = 0;
  Token token_;
};

}  // namespace

Result<Selector> Selector::parse_label_query(std::string_view text) {
  return QueryParser(text).parse();
}

}  // namespace caracal::selector
