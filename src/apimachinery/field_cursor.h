// Field: a place in an object under validation, its value (if there is one) and its path together.
// FieldErrors: what is found wrong. Private to the validate_*.cc files.
//
// A Field borrows the object. Reading a value of another type than asked for gives the empty one:
// the schema has reported it before.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apimachinery/field_error.h"
#include "apimachinery/names.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

class Field {
 public:
  explicit Field(const json::value& root) : value_(&root) {}
  Field(const json::value* value, FieldPath path) : value_(value), path_(std::move(path)) {}

  Field at(std::string_view name) const;
  std::vector<Field> elements() const;  // of an array
  std::vector<std::pair<std::string_view, Field>> members()
      const;  // of an object; paths are path[key]

  bool present() const { return value_ != nullptr && !value_->is_null(); }
  size_t size() const;  // elements of an array, members of an object
  bool empty() const { return size() == 0; }
  std::string_view text() const;
  bool is_text() const { return value_ != nullptr && value_->is_string(); }
  std::optional<int64_t> number() const;
  bool flag() const;

  const json::value* value() const { return value_; }
  const FieldPath& path() const { return path_; }

 private:
  const json::value* value_;
  FieldPath path_;
};

class FieldErrors {
 public:
  void required(const Field& field, std::string detail = {});
  void invalid(const Field& field, std::string detail);
  void forbidden(const Field& field, std::string detail);
  void duplicate(const Field& field);
  void duplicate(const Field& field, std::string_view what);
  void not_found(const Field& field);
  void add(FieldError error) { errors_.push_back(std::move(error)); }
  void append(std::vector<FieldError> errors);

  // Each says something only where the field is present (required() is for absent ones).
  void check(const Field& field, const NameFault& fault);
  void one_of(const Field& field, std::initializer_list<std::string_view> supported);
  void in_range(const Field& field, int64_t min, int64_t max);
  void port_number(const Field& field) { in_range(field, 1, 65535); }
  void at_least(const Field& field, int64_t min);
  void ip_address(const Field& field);
  // Where it was set before, a change is an error.
  void immutable(const Field& field, const Field& old, std::string detail = "field is immutable");

  std::vector<FieldError> take() { return std::move(errors_); }

 private:
  std::vector<FieldError> errors_;
};

// The validators, one a kind (or a part that kinds share), by file.
void validate_network_policy(const Field& object, FieldErrors& errors);
void validate_pod(const Field& object, FieldErrors& errors);
void validate_pod_update(const Field& object, const Field& old, FieldErrors& errors);
void validate_containers(const Field& spec, FieldErrors& errors);  // of a pod's spec
void validate_volumes(const Field& spec, FieldErrors& errors);
void validate_service(const Field& object, FieldErrors& errors);
void validate_service_update(const Field& object, const Field& old, FieldErrors& errors);
void validate_namespace(const Field& object, FieldErrors& errors);
void validate_node(const Field& object, FieldErrors& errors);
void validate_node_update(const Field& object, const Field& old, FieldErrors& errors);
void validate_config_map(const Field& object, FieldErrors& errors);
void validate_config_map_update(const Field& object, const Field& old, FieldErrors& errors);
void validate_secret(const Field& object, FieldErrors& errors);
void validate_secret_update(const Field& object, const Field& old, FieldErrors& errors);
void validate_event(const Field& object, FieldErrors& errors);
void validate_endpoints(const Field& object, FieldErrors& errors);
void validate_endpoint_slice(const Field& object, FieldErrors& errors);
void validate_endpoint_slice_update(const Field& object, const Field& old, FieldErrors& errors);
void validate_lease(const Field& object, FieldErrors& errors);

}  // namespace caracal::apimachinery
