#include "lab/end_ref.h"

#include <fmt/format.h>

namespace caracal::lab {
namespace {

tl::unexpected<Error> bad_end(std::string_view text) {
  return fail(
      Errc::kInvalid,
      fmt::format("\"{}\": must be NAMESPACE/POD, POD, node/NAME, node-of:POD, other-node:POD, "
                  "outside:ADDRESS or an address",
                  text));
}

bool is_name(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") == std::string_view::npos;
}

Result<model::ObjectName> parse_pod(std::string_view text, std::string_view default_namespace) {
  const size_t slash = text.find('/');
  const std::string_view ns =
      slash == std::string_view::npos ? default_namespace : text.substr(0, slash);
  const std::string_view name = slash == std::string_view::npos ? text : text.substr(slash + 1);
  if (!is_name(ns) || !is_name(name)) return bad_end(text);
  return model::ObjectName{std::string(ns), std::string(name)};
}

}  // namespace

std::string EndRef::to_string() const {
  switch (kind) {
    case Kind::kPod:
      return pod.to_string();
    case Kind::kNode:
      return "node/" + node;
    case Kind::kNodeOf:
      return "node-of:" + pod.to_string();
    case Kind::kOtherNode:
      return "other-node:" + pod.to_string();
    case Kind::kOutside:
      return "outside:" + address.to_string();
    case Kind::kAddress:
      return address.to_string();
  }
  return "?";
}

Result<EndRef> parse_end(std::string_view text, std::string_view default_namespace) {
  EndRef end;
  const auto after = [&](std::string_view prefix) -> std::string_view {
    return text.starts_with(prefix) ? text.substr(prefix.size()) : std::string_view();
  };
  if (const auto rest = after("node/"); !rest.empty()) {
    if (!is_name(rest)) return bad_end(text);
    end.kind = EndRef::Kind::kNode;
    end.node = rest;
    return end;
  }
  for (const auto& [prefix, kind] :
       {std::pair<std::string_view, EndRef::Kind>("node-of:", EndRef::Kind::kNodeOf),
        {"other-node:", EndRef::Kind::kOtherNode}}) {
    if (const auto rest = after(prefix); !rest.empty()) {
      end.kind = kind;
      CARACAL_ASSIGN(end.pod, parse_pod(rest, default_namespace));
      return end;
    }
  }
  if (const auto rest = after("outside:"); !rest.empty()) {
    const auto address = net::IpAddr::parse(rest);
    if (!address) return bad_end(text);
    end.kind = EndRef::Kind::kOutside;
    end.address = *address;
    return end;
  }
  if (const auto address = net::IpAddr::parse(text)) {
    end.kind = EndRef::Kind::kAddress;
    end.address = *address;
    return end;
  }
  CARACAL_ASSIGN(end.pod, parse_pod(text, default_namespace));
  return end;
}

}  // namespace caracal::lab
