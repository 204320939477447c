#include "policy/testing/case_file.h"

#include <fmt/format.h>

#include "jsonio/yaml.h"
#include "policy/testing/object_yaml.h"
#include "policy/testing/world_updates.h"

namespace caracal::policy_testing {
namespace {

namespace oracle = policy::oracle;

json::array world_to_json(const model::World& world) {
  json::array out;
  for (const model::Update& update : updates_of(world)) out.emplace_back(to_json(update));
  return out;
}

json::object question_to_json(const Question& q) {
  json::object out{{"interface", q.interface}};
  if (q.hook) {
    out["hook"] = oracle::to_string(*q.hook);
  } else {
    out["direction"] = q.direction == model::Direction::kIngress ? "ingress" : "egress";
  }
  out["source"] = q.flow.source.to_string();
  out["destination"] = q.flow.destination.to_string();
  out["protocol"] = q.flow.protocol.to_string();
  if (q.flow.port) out["port"] = *q.flow.port;
  if (q.flow.source_port) out["sourcePort"] = *q.flow.source_port;
  if (q.flow.icmp_type) out["icmpType"] = *q.flow.icmp_type;
  if (q.flow.icmp_code) out["icmpCode"] = *q.flow.icmp_code;
  return out;
}

template <typename Number>
std::optional<Number> number_at(const json::value& value, std::string_view field) {
  if (jsonio::get(value, {field}) == nullptr) return std::nullopt;
  return static_cast<Number>(jsonio::get_int(value, {field}));
}

Result<Question> question_from_json(const json::value& value) {
  Question out;
  out.interface = jsonio::get_string(value, {"interface"});
  const std::string_view direction = jsonio::get_string(value, {"direction"});
  const std::string_view hook = jsonio::get_string(value, {"hook"});
  if (direction == "egress") out.direction = model::Direction::kEgress;
  for (int i = 0; i <= static_cast<int>(oracle::HostHook::kUntrackedEgress); ++i) {
    const auto candidate = static_cast<oracle::HostHook>(i);
    if (oracle::to_string(candidate) == hook) out.hook = candidate;
  }
  if (!hook.empty() && !out.hook)
    return fail(Errc::kInvalid, fmt::format("hook \"{}\": unknown", hook));
  if (hook.empty() && direction != "ingress" && direction != "egress")
    return fail(Errc::kInvalid, "direction: must be ingress or egress");
  if (out.hook) out.direction = oracle::direction_of(*out.hook);
  CARACAL_ASSIGN(out.flow.source, net::IpAddr::parse(jsonio::get_string(value, {"source"})));
  CARACAL_ASSIGN(out.flow.destination,
                 net::IpAddr::parse(jsonio::get_string(value, {"destination"})));
  CARACAL_ASSIGN(out.flow.protocol,
                 net::Protocol::parse(jsonio::get_string(value, {"protocol"}, "TCP")));
  out.flow.port = number_at<uint16_t>(value, "port");
  out.flow.source_port = number_at<uint16_t>(value, "sourcePort");
  out.flow.icmp_type = number_at<uint8_t>(value, "icmpType");
  out.flow.icmp_code = number_at<uint8_t>(value, "icmpCode");
  return out;
}

Result<oracle::Verdict> verdict_from(std::string_view text) {
  for (const auto verdict :
       {oracle::Verdict::kAllowed, oracle::Verdict::kDenied, oracle::Verdict::kUndecided}) {
    if (oracle::to_string(verdict) == text) return verdict;
  }
  return fail(Errc::kInvalid,
              fmt::format("verdict \"{}\": must be allowed, denied or undecided", text));
}

}  // namespace

std::string to_yaml(const Case& kept) {
  json::object out{{"title", kept.title}};
  json::array& questions = out["questions"].emplace_array();
  for (const Expectation& expected : kept.expectations) {
    json::object question = question_to_json(expected.question);
    question["verdict"] = oracle::to_string(expected.verdict);
    if (expected.logged) question["logged"] = true;
    questions.emplace_back(std::move(question));
  }
  out["world"] = world_to_json(kept.world);
  return jsonio::to_yaml(out);
}

std::string to_yaml(const model::World& world) { return jsonio::to_yaml(world_to_json(world)); }

Result<Case> parse_case(std::string_view yaml) {
  CARACAL_ASSIGN(const std::vector<json::value> documents, jsonio::parse_yaml(yaml));
  if (documents.size() != 1) return fail(Errc::kInvalid, "a case is one YAML document");
  const json::value& value = documents.front();
  Case out;
  out.title = jsonio::get_string(value, {"title"});
  for (const json::value& item : jsonio::get_array(value, {"questions"})) {
    Expectation expected;
    CARACAL_ASSIGN(expected.question, question_from_json(item));
    CARACAL_ASSIGN(expected.verdict, verdict_from(jsonio::get_string(item, {"verdict"})));
    expected.logged = jsonio::get_bool(item, {"logged"});
    out.expectations.push_back(std::move(expected));
  }
  for (const json::value& object : jsonio::get_array(value, {"world"})) {
    CARACAL_ASSIGN(const model::Update update, update_from_json(object));
    out.world.apply(update);
  }
  out.apis = jsonio::get_array(value, {"apis"});
  return out;
}

}  // namespace caracal::policy_testing
