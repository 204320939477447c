#include "apimachinery/jsonpath.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <charconv>

#include "apimachinery/json_patch.h"

namespace caracal::apimachinery {

// Recursive descent over one text; recursion only into filters, whose depth the text's length
// bounds.
class JsonPath::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<JsonPath> parse_whole() {
    const bool braces = eat("{");
    if (!eat("$")) eat("@");
    CARACAL_ASSIGN(JsonPath path, parse_steps(0));
    if (braces && !eat("}")) return bad("the closing '}' is missing");
    if (at_ != text_.size()) return bad("unexpected text");
    return path;
  }

 private:
  // Both keep a look-up's cost near linear in the object, whoever wrote the path.
  static constexpr size_t kMaxFilterDepth = 2;
  static constexpr size_t kMaxDescends = 1;

  tl::unexpected<Error> bad(std::string_view why) const {
    return fail(Errc::kInvalid,
                fmt::format("JSONPath \"{}\" at position {}: {}", text_, at_ + 1, why));
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool eat(std::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void skip_spaces() {
    while (peek() == ' ') ++at_;
  }

  Result<JsonPath> parse_steps(size_t depth) {
    JsonPath path;
    size_t descends = 0;
    while (at_ < text_.size()) {
      if (eat("..")) {
        if (++descends > kMaxDescends) return bad("one '..' is allowed in a path");
        path.steps_.emplace_back(Descend{});
        if (peek() != '[') CARACAL_TRY(parse_name(path));
      } else if (eat(".")) {
        // "." alone is the value itself.
        if (peek() == '[' || at_ == text_.size() || peek() == '}') continue;
        CARACAL_TRY(parse_name(path));
      } else if (eat("[")) {
        CARACAL_TRY(parse_bracket(path, depth));
      } else {
        break;
      }
    }
    return path;
  }

  Status parse_name(JsonPath& path) {
    if (eat("*")) {
      path.steps_.emplace_back(Wildcard{});
      return {};
    }
    std::string name;
    while (at_ < text_.size()) {
      const char c = peek();
      if (c == '\\') {
        if (++at_ == text_.size()) return bad("a backslash must be followed by a character");
        name.push_back(text_[at_++]);
      } else if (std::string_view(".[]{}()=!<> ,").find(c) != std::string_view::npos) {
        break;
      } else {
        name.push_back(c);
        ++at_;
      }
    }
    if (name.empty()) return bad("a field name must follow the '.'");
    path.steps_.emplace_back(Field{std::move(name)});
    return {};
  }

  Status parse_bracket(JsonPath& path, size_t depth) {
    if (eat("*]")) {
      path.steps_.emplace_back(Wildcard{});
      return {};
    }
    if (eat("?(")) return parse_filter(path, depth);
    if (peek() == '\'' || peek() == '"') {
      CARACAL_ASSIGN(std::string name, parse_quoted());
      if (!eat("]")) return bad("']' must follow the name");
      path.steps_.emplace_back(Field{std::move(name)});
      return {};
    }
    return parse_slice(path);
  }

  Result<std::string> parse_quoted() {
    const char quote = text_[at_++];
    std::string out;
    while (at_ < text_.size() && peek() != quote) {
      if (peek() == '\\' && at_ + 1 < text_.size()) ++at_;
      out.push_back(text_[at_++]);
    }
    if (at_ == text_.size()) return bad("the closing quote is missing");
    ++at_;
    return out;
  }

  Result<std::optional<int64_t>> parse_integer() {
    int64_t number = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), number);
    if (end == begin) return std::optional<int64_t>();
    if (error != std::errc()) return bad("the number is too large");
    at_ += static_cast<size_t>(end - begin);
    return std::optional<int64_t>(number);
  }

  Status parse_slice(JsonPath& path) {
    Slice slice;
    CARACAL_ASSIGN(slice.begin, parse_integer());
    if (eat(":")) {
      CARACAL_ASSIGN(slice.end, parse_integer());
      if (eat(":")) {
        CARACAL_ASSIGN(const std::optional<int64_t> step, parse_integer());
        slice.step = step.value_or(1);
        if (slice.step < 1) return bad("a step must be positive");
      }
    } else if (slice.begin) {
      slice.single = true;
    } else {
      return bad("an index, a slice, '*', a quoted name or a filter must follow the '['");
    }
    if (!eat("]")) return bad("the closing ']' is missing");
    path.steps_.emplace_back(slice);
    return {};
  }

  Status parse_filter(JsonPath& path, size_t depth) {
    if (depth >= kMaxFilterDepth) return bad("filters are nested too deep");
    skip_spaces();
    if (!eat("@")) return bad("a filter must begin with '@'");
    CARACAL_ASSIGN(JsonPath left, parse_steps(depth + 1));
    Filter filter;
    filter.left = std::make_shared<const JsonPath>(std::move(left));
    skip_spaces();
    if (!eat(")")) {
      CARACAL_TRY(parse_comparison(filter));
      skip_spaces();
      if (!eat(")")) return bad("the closing ')' of the filter is missing");
    }
    if (!eat("]")) return bad("']' must follow the filter");
    path.steps_.emplace_back(std::move(filter));
    return {};
  }

  Status parse_comparison(Filter& filter) {
    // Longer signs first.
    static constexpr std::array<std::pair<std::string_view, Compare>, 6> kSigns = {{
        {"==", Compare::kEqual},
        {"!=", Compare::kNotEqual},
        {"<=", Compare::kLessEqual},
        {">=", Compare::kGreaterEqual},
        {"<", Compare::kLess},
        {">", Compare::kGreater},
    }};
    const auto* const sign = std::find_if(kSigns.begin(), kSigns.end(),
                                          [this](const auto& entry) { return eat(entry.first); });
    if (sign == kSigns.end()) return bad("one of == != < <= > >= or ')' must follow");
    filter.compare = sign->second;
    skip_spaces();
    if (peek() == '\'' || peek() == '"') {
      CARACAL_ASSIGN(const std::string text, parse_quoted());
      filter.right = json::string(text);
      return {};
    }
    size_t length = 0;
    while (at_ + length < text_.size() && text_[at_ + length] != ')' &&
           text_[at_ + length] != ' ') {
      ++length;
    }
    boost::system::error_code error;
    filter.right = json::parse(json::string_view(text_.data() + at_, length), error);
    if (error || filter.right.is_structured()) {
      return bad("a quoted text, a number, true, false or null must stand here");
    }
    at_ += length;
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
};

namespace {

using Values = std::vector<const json::value*>;

void add_children(const json::value& value, Values& out) {
  if (const json::object* object = value.if_object()) {
    for (const auto& member : *object) out.push_back(&member.value());
  } else if (const json::array* array = value.if_array()) {
    for (const json::value& element : *array) out.push_back(&element);
  }
}

void add_all_below(const json::value& value, Values& out) {
  out.push_back(&value);
  Values children;
  add_children(value, children);
  for (const json::value* child : children) add_all_below(*child, out);
}

// -1, 0, 1; nothing for values that have no order.
std::optional<int> order(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) {
    boost::system::error_code ignored;
    const auto left = a.to_number<double>(ignored);
    const auto right = b.to_number<double>(ignored);
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (a.is_string() && b.is_string()) {
    const int result = a.get_string().compare(b.get_string());
    return result < 0 ? -1 : result > 0 ? 1 : 0;
  }
  return std::nullopt;
}

}  // namespace

Result<JsonPath> JsonPath::parse(std::string_view text) { return Parser(text).parse_whole(); }

std::vector<const json::value*> JsonPath::find(const json::value& root) const {
  Values now = {&root};
  for (const Step& step : steps_) {
    Values next;
    for (const json::value* value : now) apply(step, *value, next);
    now = std::move(next);
  }
  return now;
}

void JsonPath::apply(const Step& step, const json::value& value, Values& out) {
  if (const auto* field = std::get_if<Field>(&step)) {
    const json::object* object = value.if_object();
    const json::value* member = object != nullptr ? object->if_contains(field->name) : nullptr;
    if (member != nullptr) out.push_back(member);
  } else if (std::holds_alternative<Wildcard>(step)) {
    add_children(value, out);
  } else if (std::holds_alternative<Descend>(step)) {
    add_all_below(value, out);
  } else if (const auto* slice = std::get_if<Slice>(&step)) {
    if (const json::array* array = value.if_array()) apply_slice(*slice, *array, out);
  } else if (const auto* filter = std::get_if<Filter>(&step)) {
    if (const json::array* array = value.if_array()) {
      for (const json::value& element : *array) {
        if (passes(*filter, element)) out.push_back(&element);
      }
    }
  }
}

void JsonPath::apply_slice(const Slice& slice, const json::array& array, Values& out) {
  const auto size = static_cast<int64_t>(array.size());
  const auto from_front = [size](int64_t index) { return index < 0 ? index + size : index; };
  if (slice.single) {
    const int64_t index = from_front(*slice.begin);
    if (index >= 0 && index < size) out.push_back(&array[static_cast<size_t>(index)]);
    return;
  }
  const int64_t begin = std::max<int64_t>(from_front(slice.begin.value_or(0)), 0);
  const int64_t end = std::min(from_front(slice.end.value_or(size)), size);
  for (int64_t i = begin; i < end; i += std::min(slice.step, size)) {
    out.push_back(&array[static_cast<size_t>(i)]);
  }
}

bool JsonPath::passes(const Filter& filter, const json::value& element) {
  const Values left = filter.left->find(element);
  if (filter.compare == Compare::kExists) return !left.empty();
  return std::any_of(left.begin(), left.end(), [&filter](const json::value* value) {
    if (filter.compare == Compare::kEqual) return json_equal(*value, filter.right);
    if (filter.compare == Compare::kNotEqual) return !json_equal(*value, filter.right);
    const std::optional<int> compared = order(*value, filter.right);
    if (!compared) return false;
    switch (filter.compare) {
      case Compare::kLess:
        return *compared < 0;
      case Compare::kLessEqual:
        return *compared <= 0;
      case Compare::kGreater:
        return *compared > 0;
      default:
        return *compared >= 0;
    }
  });
}

}  // namespace caracal::apimachinery
