// TableLayout: the columns `kubectl get` shows for one kind, and how each object fills them.
//
// One per built-in kind (builtin_table_layout), one per custom resource (from additionalPrinterColumns), a
// default for all others. table.h turns layouts and objects into meta.k8s.io/v1 Table documents. Pure:
// the time comes in as an argument. Cells tolerate objects of any shape.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "apimachinery/age.h"
#include "base/result.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

struct TableColumn {
  using Cell = std::function<json::value(const json::value& object, Timestamp now)>;

  std::string name;
  std::string type = "string";  // OpenAPI type: string, integer, number, boolean, date
  std::string format;           // "name" on the column kubectl may prefix with the resource
  std::string description;
  int priority = 0;  // 0: always shown; 1: only with -o wide
  Cell cell;
};

struct TableLayout {
  std::vector<TableColumn> columns;
};

// The layout of a built-in kind ("" and "Pod"), or nullptr. Lives for the program's life.
const TableLayout* builtin_table_layout(std::string_view group, std::string_view kind);

// NAME and CREATED AT: what kinds without columns of their own get.
const TableLayout& default_table_layout();

// NAME, then spec.versions[].additionalPrinterColumns of a CRD, or AGE when there are none. An error names
// the column whose jsonPath does not parse.
Result<TableLayout> custom_table_layout(const json::array& additional_printer_columns);

}  // namespace caracal::apimachinery
