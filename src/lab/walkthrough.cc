#include "lab/walkthrough.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "jsonio/yaml.h"

namespace caracal::lab {
namespace {

tl::unexpected<Error> invalid(std::string_view field, std::string_view what) {
  return fail(Errc::kInvalid, fmt::format("{}: {}", field, what));
}

Status check_fields(const json::value& value, std::initializer_list<std::string_view> known,
                    const std::string& field) {
  const json::object* object = value.if_object();
  if (object == nullptr) return invalid(field, jsonio::to_string(value) + " is not an object");
  for (const auto& member : *object) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return invalid(fmt::format("{}.{}", field, key),
                     fmt::format("unknown field; known are {}", fmt::join(known, ", ")));
    }
  }
  return {};
}

// A text, or a list of texts.
Result<std::vector<std::string>> read_texts(const json::value* value, const std::string& field) {
  std::vector<std::string> out;
  if (value == nullptr) return out;
  if (const json::string* text = value->if_string())
    return std::vector<std::string>{std::string(*text)};
  const json::array* array = value->if_array();
  if (array == nullptr)
    return invalid(field, jsonio::to_string(*value) + " is neither a text nor a list of texts");
  for (const json::value& element : *array) {
    const json::string* text = element.if_string();
    if (text == nullptr) return invalid(field, jsonio::to_string(element) + " is not a text");
    out.emplace_back(*text);
  }
  return out;
}

Result<std::vector<EndRef>> read_ends(const json::value& object, std::string_view key,
                                      const std::string& field) {
  const std::string where = fmt::format("{}.{}", field, key);
  CARACAL_ASSIGN(const std::vector<std::string> texts,
                 read_texts(jsonio::get(object, {key}), where));
  if (texts.empty()) return invalid(where, "must be there");
  std::vector<EndRef> out;
  for (const std::string& text : texts) {
    auto end = parse_end(text);
    if (!end) return fail(end.error().within(where));
    out.push_back(std::move(*end));
  }
  return out;
}

Result<uint16_t> read_port(const json::value& object, const std::string& field) {
  const int64_t port = jsonio::get_int(object, {"port"}, 80);
  if (port < 1 || port > 65535) {
    return invalid(field + ".port", fmt::format("{} must be between 1 and 65535", port));
  }
  return static_cast<uint16_t>(port);
}

Result<Outcome> read_outcome(const json::value& object, const std::string& field) {
  const std::string_view text = jsonio::get_string(object, {"is"}, "open");
  const auto outcome = parse_outcome(text);
  if (!outcome || (*outcome != Outcome::kOpen && *outcome != Outcome::kSilent)) {
    return invalid(field + ".is", fmt::format("\"{}\" is none of open, silent", text));
  }
  return *outcome;
}

Result<WalkExpectation> read_expectation(const json::value& value, const std::string& field) {
  CARACAL_TRY(check_fields(value, {"from", "to", "port", "protocol", "is"}, field));
  WalkExpectation out;
  CARACAL_ASSIGN(out.from, read_ends(value, "from", field));
  CARACAL_ASSIGN(out.to, read_ends(value, "to", field));
  CARACAL_ASSIGN(out.port, read_port(value, field));
  CARACAL_ASSIGN(out.expected, read_outcome(value, field));
  auto protocol = net::Protocol::parse(jsonio::get_string(value, {"protocol"}, "TCP"));
  if (!protocol || !protocol->has_ports())
    return invalid(field + ".protocol", "must be TCP, UDP or SCTP");
  out.protocol = *protocol;
  return out;
}

Result<WalkPair> read_pair(const json::value& value, const std::string& field) {
  CARACAL_TRY(check_fields(value, {"from", "to", "port", "is"}, field));
  CARACAL_ASSIGN(const std::vector<EndRef> from, read_ends(value, "from", field));
  CARACAL_ASSIGN(const std::vector<EndRef> to, read_ends(value, "to", field));
  if (from.size() != 1 || to.size() != 1) return invalid(field, "from and to must be one end each");
  WalkPair out{from.front(), to.front()};
  CARACAL_ASSIGN(out.port, read_port(value, field));
  CARACAL_ASSIGN(out.expected, read_outcome(value, field));
  return out;
}

Result<std::vector<WalkCommand>> read_commands(const json::value& step, std::string_view key,
                                               const std::string& field) {
  std::vector<WalkCommand> out;
  const std::string where = fmt::format("{}.{}", field, key);
  const json::value* value = jsonio::get(step, {key});
  if (value == nullptr) return out;
  const json::array* array = value->if_array();
  if (array == nullptr) return invalid(where, jsonio::to_string(*value) + " is not a list");
  for (size_t i = 0; i < array->size(); ++i) {
    const json::value& entry = (*array)[i];
    const std::string at = fmt::format("{}[{}]", where, i);
    WalkCommand command;
    if (const json::string* text = entry.if_string()) {
      command.run = std::string(*text);
    } else {
      CARACAL_TRY(check_fields(entry, {"run", "prints", "family", "nodes"}, at));
      command.run = jsonio::get_string(entry, {"run"});
      CARACAL_ASSIGN(command.prints, read_texts(jsonio::get(entry, {"prints"}), at + ".prints"));
      const std::string_view family = jsonio::get_string(entry, {"family"});
      if (family == "IPv4" || family == "IPv6") {
        command.family = family == "IPv4" ? net::Family::kIPv4 : net::Family::kIPv6;
      } else if (!family.empty()) {
        return invalid(at + ".family", fmt::format("\"{}\" is none of IPv4, IPv6", family));
      }
      const int64_t nodes = jsonio::get_int(entry, {"nodes"}, 1);
      if (nodes < 1) return invalid(at + ".nodes", fmt::format("{} must be 1 or more", nodes));
      command.nodes = static_cast<size_t>(nodes);
    }
    if (command.run.empty()) return invalid(at, "no command");
    out.push_back(std::move(command));
  }
  return out;
}

Result<WalkStep> read_step(const json::value& value, const std::string& field) {
  CARACAL_TRY(check_fields(
      value, {"name", "title", "about", "prepare", "run", "expect", "watch", "hold", "kernel"},
      field));
  WalkStep step;
  step.name = jsonio::get_string(value, {"name"});
  step.title = jsonio::get_string(value, {"title"});
  step.about = jsonio::get_string(value, {"about"});
  if (step.name.empty()) return invalid(field + ".name", "must be a text that is not empty");
  const std::string at = fmt::format("{} ({})", field, step.name);
  CARACAL_ASSIGN(step.prepare, read_commands(value, "prepare", at));
  CARACAL_ASSIGN(step.run, read_commands(value, "run", at));
  const json::array& expectations = jsonio::get_array(value, {"expect"});
  for (size_t i = 0; i < expectations.size(); ++i) {
    CARACAL_ASSIGN(WalkExpectation expectation,
                   read_expectation(expectations[i], fmt::format("{}.expect[{}]", at, i)));
    step.expect.push_back(std::move(expectation));
  }
  if (const json::value* watch = jsonio::get(value, {"watch"})) {
    CARACAL_ASSIGN(step.watch, read_pair(*watch, at + ".watch"));
  }
  if (const json::value* hold = jsonio::get(value, {"hold"})) {
    CARACAL_ASSIGN(step.hold, read_pair(*hold, at + ".hold"));
  }
  const std::string_view kernel = jsonio::get_string(value, {"kernel"});
  if (kernel == "remember") {
    step.kernel = WalkStep::Kernel::kRemember;
  } else if (kernel == "as-remembered") {
    step.kernel = WalkStep::Kernel::kAsRemembered;
  } else if (!kernel.empty()) {
    return invalid(at + ".kernel",
                   fmt::format("\"{}\" is none of remember, as-remembered", kernel));
  }
  return step;
}

Result<std::vector<WalkStep>> read_document(const std::vector<json::value>& documents) {
  if (documents.size() != 1) return fail(Errc::kInvalid, "must hold one document with \"steps\"");
  CARACAL_TRY(check_fields(documents.front(), {"steps"}, "walk-through"));
  std::vector<WalkStep> steps;
  std::set<std::string> names;
  bool remembered = false;
  const json::array& list = jsonio::get_array(documents.front(), {"steps"});
  if (list.empty()) return invalid("steps", "must be a list with at least one step");
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string field = fmt::format("steps[{}]", i);
    CARACAL_ASSIGN(WalkStep step, read_step(list[i], field));
    if (!names.insert(step.name).second)
      return invalid(field + ".name", fmt::format("\"{}\" is there twice", step.name));
    remembered = remembered || step.kernel == WalkStep::Kernel::kRemember;
    if (step.kernel == WalkStep::Kernel::kAsRemembered && !remembered) {
      return invalid(field + ".kernel", "as-remembered, but no step before it remembers");
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace

Result<std::vector<WalkStep>> parse_walkthrough(std::string_view yaml, std::string_view source) {
  auto documents = jsonio::parse_yaml(yaml);
  if (!documents) return fail(documents.error().within(source));
  auto steps = read_document(*documents);
  if (!steps) return fail(steps.error().within(source));
  return steps;
}

}  // namespace caracal::lab
