#include "apimachinery/field_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "apimachinery/json_patch.h"
#include "net/ip_addr.h"

namespace caracal::apimachinery {
namespace {

json::value shown(const Field& field) {
  return field.value() != nullptr ? *field.value() : json::value();
}

}  // namespace

Field Field::at(std::string_view name) const {
  const json::object* object = value_ != nullptr ? value_->if_object() : nullptr;
  return {object != nullptr ? object->if_contains(name) : nullptr, path_.child(name)};
}

std::vector<Field> Field::elements() const {
  std::vector<Field> out;
  const json::array* array = value_ != nullptr ? value_->if_array() : nullptr;
  if (array == nullptr) return out;
  out.reserve(array->size());
  for (size_t i = 0; i < array->size(); ++i) out.emplace_back(&(*array)[i], path_.index(i));
  return out;
}

std::vector<std::pair<std::string_view, Field>> Field::members() const {
  std::vector<std::pair<std::string_view, Field>> out;
  const json::object* object = value_ != nullptr ? value_->if_object() : nullptr;
  if (object == nullptr) return out;
  for (const auto& member : *object) {
    out.emplace_back(member.key(), Field(&member.value(), path_.key(member.key())));
  }
  return out;
}

size_t Field::size() const {
  if (value_ == nullptr) return 0;
  if (const json::array* array = value_->if_array()) return array->size();
  if (const json::object* object = value_->if_object()) return object->size();
  return 0;
}

std::string_view Field::text() const {
  const json::string* text = value_ != nullptr ? value_->if_string() : nullptr;
  return text != nullptr ? std::string_view(*text) : std::string_view();
}

std::optional<int64_t> Field::number() const {
  if (value_ == nullptr || !value_->is_number()) return std::nullopt;
  boost::system::error_code error;
  const auto number = value_->to_number<int64_t>(error);
  if (error) return std::nullopt;
  return number;
}

bool Field::flag() const {
  const bool* flag = value_ != nullptr ? value_->if_bool() : nullptr;
  return flag != nullptr && *flag;
}

void FieldErrors::required(const Field& field, std::string detail) {
  add(FieldError::required(field.path(), std::move(detail)));
}
void FieldErrors::invalid(const Field& field, std::string detail) {
  add(FieldError::invalid(field.path(), shown(field), std::move(detail)));
}
void FieldErrors::forbidden(const Field& field, std::string detail) {
  add(FieldError::forbidden(field.path(), std::move(detail)));
}
void FieldErrors::duplicate(const Field& field) {
  add(FieldError::duplicate(field.path(), shown(field)));
}
void FieldErrors::duplicate(const Field& field, std::string_view what) {
  add(FieldError::duplicate(field.path(), json::value(what)));
}
void FieldErrors::not_found(const Field& field) {
  add(FieldError::not_found(field.path(), shown(field)));
}

void FieldErrors::append(std::vector<FieldError> errors) {
  errors_.insert(errors_.end(), std::make_move_iterator(errors.begin()),
                 std::make_move_iterator(errors.end()));
}

void FieldErrors::check(const Field& field, const NameFault& fault) {
  if (field.present() && fault) invalid(field, *fault);
}

void FieldErrors::one_of(const Field& field, std::initializer_list<std::string_view> supported) {
  if (!field.present()) return;
  const std::string_view text = field.text();
  if (std::find(supported.begin(), supported.end(), text) != supported.end()) return;
  add(FieldError::not_supported(field.path(), shown(field),
                                std::vector<std::string>(supported.begin(), supported.end())));
}

void FieldErrors::in_range(const Field& field, int64_t min, int64_t max) {
  if (!field.present()) return;
  const std::optional<int64_t> number = field.number();
  if (number && *number >= min && *number <= max) return;
  invalid(field, fmt::format("must be between {} and {}, inclusive", min, max));
}

void FieldErrors::at_least(const Field& field, int64_t min) {
  if (!field.present()) return;
  const std::optional<int64_t> number = field.number();
  if (number && *number >= min) return;
  invalid(field, fmt::format("must be greater than or equal to {}", min));
}

void FieldErrors::ip_address(const Field& field) {
  if (!field.present() || net::IpAddr::parse(field.text())) return;
  invalid(field, "must be an IP address such as 192.0.2.7 or 2001:db8::7");
}

void FieldErrors::immutable(const Field& field, const Field& old, std::string detail) {
  if (!old.present()) return;
  if (field.present() && json_equal(*field.value(), *old.value())) return;
  invalid(field, std::move(detail));
}

}  // namespace caracal::apimachinery
