#include "jsonio/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

namespace caracal::jsonio {
namespace {

bool any_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (text == word) return true;
  }
  return false;
}

std::optional<json::value> plain_number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::string_view digits = text;
  if (digits[0] == '+' || digits[0] == '-') digits.remove_prefix(1);
  if (digits.empty() || (digits[0] != '.' && (digits[0] < '0' || digits[0] > '9')))
    return std::nullopt;
  const std::string_view unsigned_plus = text[0] == '+' ? text.substr(1) : text;
  const char* begin = unsigned_plus.data();
  const char* end = begin + unsigned_plus.size();
  if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'o')) {
    uint64_t value = 0;
    const auto [at, error] = std::from_chars(digits.data() + 2, digits.data() + digits.size(),
                                             value, digits[1] == 'x' ? 16 : 8);
    if (error == std::errc() && at == end && text[0] != '-') return json::value(value);
    return std::nullopt;
  }
  // YAML 1.1: a leading zero makes an octal number (file modes are written so).
  if (digits.size() > 1 && digits[0] == '0' &&
      digits.find_first_not_of("01234567") == std::string_view::npos) {
    int64_t value = 0;
    std::from_chars(digits.data(), end, value, 8);
    return json::value(text[0] == '-' ? -value : value);
  }
  int64_t integer = 0;
  if (const auto [at, error] = std::from_chars(begin, end, integer);
      error == std::errc() && at == end)
    return json::value(integer);
  uint64_t natural = 0;
  if (const auto [at, error] = std::from_chars(begin, end, natural);
      error == std::errc() && at == end)
    return json::value(natural);
  double real = 0;
  if (const auto [at, error] = std::from_chars(begin, end, real);
      error == std::errc() && at == end && std::isfinite(real)) {
    return json::value(real);
  }
  return std::nullopt;
}

json::value plain_scalar(const std::string& text) {
  if (any_of(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (any_of(text, {"true", "True", "TRUE"})) return true;
  if (any_of(text, {"false", "False", "FALSE"})) return false;
  // YAML 1.1 booleans that Kubernetes also honours.
  if (any_of(text, {"yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (any_of(text, {"no", "No", "NO", "off", "Off", "OFF"})) return false;
  if (auto number = plain_number(text)) return *number;
  return json::string(text);
}

std::string position(const YAML::Mark& mark) {
  return "line " + std::to_string(mark.line + 1) + ", column " + std::to_string(mark.column + 1);
}

// `budget` is what may still be made: aliases let a short text stand for a document that fills the
// memory.
Result<json::value> convert(const YAML::Node& node, int depth, size_t& budget) {
  if (budget == 0)
    return fail(Errc::kInvalid,
                "YAML whose aliases expand to too much, at " + position(node.Mark()));
  --budget;
  if (depth > 128)
    return fail(Errc::kInvalid, "YAML nested deeper than 128 levels at " + position(node.Mark()));
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return json::value(nullptr);
    case YAML::NodeType::Scalar:
      // yaml-cpp marks a quoted scalar with the non-specific tag "!".
      if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str")
        return json::value(json::string(node.Scalar()));
      return plain_scalar(node.Scalar());
    case YAML::NodeType::Sequence: {
      json::array array;
      for (const YAML::Node& element : node) {
        CARACAL_ASSIGN(json::value value, convert(element, depth + 1, budget));
        array.push_back(std::move(value));
      }
      return json::value(std::move(array));
    }
    case YAML::NodeType::Map: {
      json::object object;
      for (const auto& member : node) {
        if (!member.first.IsScalar())
          return fail(Errc::kInvalid,
                      "a key that is not a scalar at " + position(member.first.Mark()));
        const std::string& key = member.first.Scalar();
        CARACAL_ASSIGN(json::value value, convert(member.second, depth + 1, budget));
        if (!object.emplace(key, std::move(value)).second) {
          return fail(Errc::kInvalid,
                      "key \"" + key + "\" is there twice at " + position(member.first.Mark()));
        }
      }
      return json::value(std::move(object));
    }
  }
  return json::value(nullptr);
}

bool must_quote(const std::string& text) {
  if (!plain_scalar(text).is_string()) return true;
  if (any_of(text, {"y", "Y", "n", "N"})) return true;  // booleans to other YAML 1.1 readers
  if (text.front() == ' ' || text.back() == ' ' || text.back() == ':') return true;
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`=<").find(text.front()) != std::string_view::npos)
    return true;
  if (text.find(": ") != std::string::npos || text.find(" #") != std::string::npos) return true;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

void append_text(std::string& out, const std::string& text) {
  out += must_quote(text) ? json::serialize(json::string(text)) : text;
}

void append_yaml(std::string& out, const json::value& value, size_t indent, bool in_sequence) {
  if (const json::object* object = value.if_object(); object != nullptr && !object->empty()) {
    bool first = true;
    for (const auto& member : *object) {
      if (!first || !in_sequence) out.append(indent, ' ');
      first = false;
      append_text(out, std::string(member.key()));
      out.push_back(':');
      const json::value& inner = member.value();
      if (inner.is_object() && !inner.get_object().empty()) {
        out.push_back('\n');
        append_yaml(out, inner, indent + 2, false);
      } else if (inner.is_array() && !inner.get_array().empty()) {
        out.push_back('\n');
        append_yaml(out, inner, indent, false);
      } else {
        out.push_back(' ');
        append_yaml(out, inner, indent, false);
      }
    }
  } else if (const json::array* array = value.if_array(); array != nullptr && !array->empty()) {
    bool first = true;
    for (const json::value& element : *array) {
      if (!first || !in_sequence) out.append(indent, ' ');
      first = false;
      out += "- ";
      append_yaml(out, element, indent + 2, true);
    }
  } else {
    if (const json::string* text = value.if_string()) {
      append_text(out, std::string(*text));
    } else {
      out += json::serialize(value);
    }
    out.push_back('\n');
  }
}

// yaml-cpp 0.7 gives an endless row of empty documents, without reading on, when a document is
// followed by what can neither continue it nor begin another (the text "," is enough). A pass that
// builds nothing finds that first: each document must begin behind the one before.
class DocumentsAdvance final : public YAML::EventHandler {
 public:
  static void check(const std::string& text) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    DocumentsAdvance handler;
    while (parser.HandleNextDocument(handler)) {
    }
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (mark.pos <= last_) throw YAML::ParserException(mark, "expected the end of the document");
    last_ = mark.pos;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  int last_ = -1;
};

}  // namespace

Result<std::vector<json::value>> parse_yaml(std::string_view text) {
  try {
    DocumentsAdvance::check(std::string(text));
    std::vector<json::value> documents;
    // Without aliases a text cannot hold more nodes than characters.
    size_t budget = 10 * text.size() + 10'000;
    for (const YAML::Node& node : YAML::LoadAll(std::string(text))) {
      CARACAL_ASSIGN(json::value value, convert(node, 0, budget));
      if (!value.is_null()) documents.push_back(std::move(value));
    }
    return documents;
  } catch (const YAML::Exception& error) {
    return fail(Errc::kInvalid, "invalid YAML at " + position(error.mark) + ": " + error.msg);
  }
}

std::string to_yaml(const json::value& value) {
  std::string out;
  append_yaml(out, value, 0, false);
  return out;
}

}  // namespace caracal::jsonio
