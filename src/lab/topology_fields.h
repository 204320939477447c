// Reading the fields of a topology: each error names the field, its value and what is valid. Pure;
// for topology.cc and topology_network.cc.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "jsonio/json.h"
#include "net/cidr.h"
#include "net/ip_addr.h"

namespace caracal::lab::fields {

tl::unexpected<Error> invalid(const std::string& field, const std::string& what);

// The value as an object with no other fields than the known ones. `prefix`: of the field's name.
Result<const json::object*> object(const json::value& value, const std::string& field,
                                   std::initializer_list<std::string_view> known);
Result<const json::array*> list(const json::value& value, const std::string& field);
Result<std::string> text(const json::value& value, const std::string& field);
Result<std::vector<std::string>> texts(const json::value& value, const std::string& field);
// One of the texts in `valid`.
Result<std::string> choice(const json::value& value, const std::string& field,
                           std::initializer_list<std::string_view> valid);
Result<int64_t> number(const json::value& value, const std::string& field, int64_t least,
                       int64_t most);
Result<std::vector<net::Cidr>> cidrs(const json::value& value, const std::string& field);

// Lower-case letters, digits and '-', at most 40: fit for a namespace's name.
Status check_name(const std::string& name, const std::string& field);
// At most one prefix a family.
Status check_one_a_family(const std::vector<net::Cidr>& list, const std::string& field);

bool overlap(const net::Cidr& a, const net::Cidr& b);
json::array to_array(const auto& values) {
  json::array out;
  for (const auto& value : values) out.emplace_back(json::string(value.to_string()));
  return out;
}
json::array text_array(const std::vector<std::string>& values);

}  // namespace caracal::lab::fields
