// ObjectReader: reads the fields of an API object and gathers everything that is wrong with it.
//
// Used by the decoders of kube and calico (which turn problems into an invalid policy, or leave an
// object out) and by validation in the API server (which turns them into field errors). Fields that
// are absent and fields that are null are the same, as in the API.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jsonio/json.h"
#include "kube/field_path.h"
#include "model/object.h"
#include "net/cidr.h"
#include "net/protocol.h"

namespace caracal::kube {

struct FieldProblem {
  enum class Type : uint8_t { kRequired, kInvalid, kForbidden, kDuplicate };
  Type type = Type::kInvalid;
  std::string field;              // "spec.ingress[0].action"
  json::value value;              // what stands there; null for kRequired and kForbidden
  std::string text;               // what is valid
  std::string to_string() const;  // "spec.ingress[0].action: \"Drop\": must be one of ..."
};

class ObjectReader {
 public:
  void required(const FieldPath& path, std::string text = {});
  void invalid(const FieldPath& path, const json::value& value, std::string text);
  void forbidden(const FieldPath& path, std::string text);
  void duplicate(const FieldPath& path, const json::value& value);
  // A problem that somebody else has put into words, with its field.
  void reject(std::string text);
  // What is accepted, but not done as written.
  void warn(const FieldPath& path, std::string_view text);

  // The member, or null when it is absent or of another type (which is a problem).
  const json::object* object(const json::object& parent, std::string_view name,
                             const FieldPath& path);
  const json::array* array(const json::object& parent, std::string_view name,
                           const FieldPath& path);
  // An element of an array, as an object.
  const json::object* as_object(const json::value& value, const FieldPath& path);
  std::string_view text(const json::object& parent, std::string_view name, const FieldPath& path);
  bool flag(const json::object& parent, std::string_view name, const FieldPath& path);
  std::optional<double> number(const json::object& parent, std::string_view name,
                               const FieldPath& path);
  // An integer of a range.
  std::optional<int64_t> integer(const json::object& parent, std::string_view name,
                                 const FieldPath& path, int64_t min, int64_t max);
  // One of the words; absent: "".
  std::string_view word(const json::object& parent, std::string_view name, const FieldPath& path,
                        std::initializer_list<std::string_view> words);
  // The strings of a list; what is no string is a problem and left out.
  struct Element {
    std::string_view text;
    size_t index = 0;
  };
  std::vector<Element> texts(const json::object& parent, std::string_view name,
                             const FieldPath& path);
  // A protocol by name or number.
  std::optional<net::Protocol> protocol(const json::object& parent, std::string_view name,
                                        const FieldPath& path);
  // An address or CIDR whose host bits are zero; with other bits it is a problem, and the masked
  // CIDR is returned.
  std::optional<net::Cidr> cidr(std::string_view text, const FieldPath& path);
  model::Labels labels(const json::object& parent, std::string_view name, const FieldPath& path);

  // Warns of members that are not in `known`; true: there are such.
  bool has_unknown(const json::object& object, const FieldPath& path,
                   std::span<const std::string_view> known);
  void limit(const json::array* list, size_t most, std::string_view what, const FieldPath& path);

  bool ok() const { return problems_.empty(); }
  const std::vector<FieldProblem>& problems() const { return problems_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  std::vector<FieldProblem> take_problems() { return std::move(problems_); }
  std::string problems_text() const;  // joined with "; "

 private:
  std::vector<FieldProblem> problems_;
  std::vector<std::string> warnings_;
};

}  // namespace caracal::kube
