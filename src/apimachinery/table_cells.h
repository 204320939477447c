// What the built-in kinds' table columns are made of. Private to table_*.cc.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "apimachinery/table_columns.h"

namespace caracal::apimachinery {

inline constexpr std::string_view kNone = "<none>";
inline constexpr std::string_view kUnset = "<unset>";
inline constexpr std::string_view kUnknown = "<unknown>";
inline constexpr int kWide = 1;  // priority of columns of -o wide

using CellFunction = json::value (*)(const json::value& object, Timestamp now);

TableColumn name_column();
TableColumn age_column();
TableColumn text_column(std::string name, std::string description, CellFunction cell,
                        int priority = 0);
TableColumn integer_column(std::string name, std::string description, CellFunction cell,
                           int priority = 0);

// The text at the path, or `fallback` where there is none or an empty one.
json::value text_or(const json::value& object, std::initializer_list<std::string_view> path,
                    std::string_view fallback);
inline json::value text_value(std::string_view text) {
  return json::value(json::string_view(text));
}

// "a,b,c + 2 more..." with at most three shown; `fallback` for none.
std::string first_three(const std::vector<std::string>& items, std::string_view fallback);
// A map of labels as "a=1,b=2", keys in order; "<none>" when empty.
std::string labels_text(const json::object& labels);
// A LabelSelector as kubectl writes it: "app=web,tier in (a,b),!old", keys in order; "<none>" when
// empty.
std::string label_selector_text(const json::value& selector);

// The columns of one kind each: pods in table_pod.cc, the others in table_core.cc and
// table_network.cc.
std::vector<TableColumn> pod_columns();
std::vector<TableColumn> node_columns();
std::vector<TableColumn> namespace_columns();
std::vector<TableColumn> service_columns();
std::vector<TableColumn> service_account_columns();
std::vector<TableColumn> config_map_columns();
std::vector<TableColumn> secret_columns();
std::vector<TableColumn> endpoints_columns();
std::vector<TableColumn> event_columns();
std::vector<TableColumn> endpoint_slice_columns();
std::vector<TableColumn> network_policy_columns();
std::vector<TableColumn> lease_columns();

}  // namespace caracal::apimachinery
