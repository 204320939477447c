// TableLayout: the columns `kubectl get` shows for one kind, and how each object fills them.
//
// table.h turns layouts and objects into meta.k8s.io/v1 Table documents. Pure: the time comes in as
// an argument. Cells tolerate objects of any shape.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apimachinery/age.h"
#include "jsonio/json.h"

namespace caracal::apimachinery {

struct ResourceType;

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

// Columns of their own for the built-in kinds that have them, additionalPrinterColumns for custom
// resources (those with a jsonPath that does not parse are left out: the CRD's validation reports
// them), else NAME and CREATED AT (AGE for custom resources). Never null.
std::shared_ptr<const TableLayout> table_layout(const ResourceType& type);

}  // namespace caracal::apimachinery
