#include "apimachinery/table_cells.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/strings.h"

namespace caracal::apimachinery {

// -----------------------------------------------------------------------------------

TableColumn name_column() {
  TableColumn column = text_column(
      "Name", "Unique within the namespace; given by the user or generated, and never changed",
      [](const json::value& object, Timestamp) {
        return text_or(object, {"metadata", "name"}, "");
      });
  column.format = "name";
  return column;
}

TableColumn age_column() {
  return text_column(
      "Age", "Time since the object was created", [](const json::value& object, Timestamp now) {
        return text_value(
            age_since(jsonio::get_string(object, {"metadata", "creationTimestamp"}), now));
      });
}

TableColumn text_column(std::string name, std::string description, CellFunction cell,
                        int priority) {
  TableColumn column;
  column.name = std::move(name);
  column.description = std::move(description);
  column.priority = priority;
  column.cell = cell;
  return column;
}

TableColumn integer_column(std::string name, std::string description, CellFunction cell,
                           int priority) {
  TableColumn column = text_column(std::move(name), std::move(description), cell, priority);
  column.type = "integer";
  return column;
}

json::value text_or(const json::value& object, std::initializer_list<std::string_view> path,
                    std::string_view fallback) {
  const std::string_view text = jsonio::get_string(object, path);
  return text_value(text.empty() ? fallback : text);
}

std::string first_three(const std::vector<std::string>& items, std::string_view fallback) {
  constexpr size_t kShown = 3;
  if (items.empty()) return std::string(fallback);
  std::vector<std::string> shown(
      items.begin(), items.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, items.size())));
  std::string text = join(shown, ",");
  if (items.size() > kShown) text += " + " + std::to_string(items.size() - kShown) + " more...";
  return text;
}

std::string labels_text(const json::object& labels) {
  std::map<std::string_view, std::string_view> sorted;
  for (const auto& label : labels) {
    const json::string* value = label.value().if_string();
    sorted[label.key()] = value != nullptr ? std::string_view(*value) : std::string_view();
  }
  std::string text;
  for (const auto& [key, value] : sorted) {
    if (!text.empty()) text += ",";
    text.append(key).append("=").append(value);
  }
  return text.empty() ? std::string(kNone) : text;
}

std::string label_selector_text(const json::value& selector) {
  std::vector<std::pair<std::string, std::string>> terms;  // key, text
  for (const auto& label : jsonio::get_object(selector, {"matchLabels"})) {
    const std::string key(label.key());
    const json::string* value = label.value().if_string();
    terms.emplace_back(key, key + "=" + (value != nullptr ? std::string(*value) : std::string()));
  }
  for (const json::value& requirement : jsonio::get_array(selector, {"matchExpressions"})) {
    const std::string key(jsonio::get_string(requirement, {"key"}));
    const std::string_view op = jsonio::get_string(requirement, {"operator"});
    std::vector<std::string> values;
    for (const json::value& value : jsonio::get_array(requirement, {"values"})) {
      if (const json::string* text = value.if_string()) values.emplace_back(*text);
    }
    std::sort(values.begin(), values.end());
    const std::string list = " (" + join(values, ",") + ")";
    if (op == "In") {
      terms.emplace_back(key, key + " in" + list);
    } else if (op == "NotIn") {
      terms.emplace_back(key, key + " notin" + list);
    } else {
      terms.emplace_back(key, (op == "DoesNotExist" ? "!" : "") + key);
    }
  }
  std::stable_sort(terms.begin(), terms.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> texts;
  for (auto& term : terms) texts.push_back(std::move(term.second));
  return texts.empty() ? std::string(kNone) : join(texts, ",");
}

}  // namespace caracal::apimachinery
