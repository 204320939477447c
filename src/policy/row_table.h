// RowTable: rows of the verdict table (what happens on which ports) and the port classes they need.
//
// A row is a RowContent; equal ones are one row, counted by their users. Port classes are the
// coarsest partition of all ports that no row tells apart, so a class is in a row or not. A class
// keeps its number as long as some of its ports stay in it: a new row changes only the classes it
// cuts.
//
// Many rows that each cut the ports elsewhere ("all but port N", for thousands of N) would need as
// many classes, each in nearly every row. A row whose allowed ports would be more than
// kWideBase + kWideFactor * (its intervals) classes, were every row kept in classes, is wide: its
// intervals are listed and make no classes. Which rows are wide depends on the rows there are,
// nothing else.
//
// Fed by the group table; writes the tables `ports`, `rows`, `logged`, `refused` and `wide_rows`.
#pragma once

#include <vector>

#include "policy/interval_cut.h"
#include "policy/port_set.h"
#include "policy/tracked_table.h"

namespace caracal::policy {

using desired::PortClass;
using desired::RowId;

struct RowContent {
  PortSet allowed;
  PortSet logged;
  PortSet refused;
  bool empty() const { return allowed.empty() && logged.empty() && refused.empty(); }
};

class RowTable {
 public:
  static constexpr size_t kWideBase = 64;
  static constexpr size_t kWideFactor = 8;

  struct Tables {
    TrackedMap<desired::PortKey, PortClass>& ports;
    TrackedSet<desired::RowKey>& rows;
    TrackedSet<desired::RowKey>& logged;
    TrackedSet<desired::RowKey>& refused;
    TrackedSet<desired::WideRowKey>& wide_rows;
  };
  // The tables outlive this.
  explicit RowTable(const Tables& tables);

  // 0 for empty content: a row that does nothing is no row.
  RowId acquire(const RowContent& content);
  void retain(RowId id);
  void release(RowId id);
  // Drops unused rows and brings the tables up to date.
  void update();

 private:
  enum class Form : uint8_t { kNone, kClasses, kWide };  // how the allowed ports are kept
  struct Row {
    uint32_t users = 0;
    bool entered = false;  // its logged and refused ports are in the cut
    Form form = Form::kNone;
    uint64_t hash = 0;
    RowContent content;
  };
  struct Class {
    ListId rows = 0;  // of sets_, held; which rows the class is in, as written to the tables
    bool used = false;
  };
  // Members of the cut: a row and what the class is to it.
  enum Part : uint32_t { kAllowed, kLogged, kRefused, kParts };

  void cut(const PortSet& ports, uint32_t member, bool add);
  void list_wide(RowId id, bool add);
  void set_form(RowId id, Form form);
  std::vector<RowId> wide() const;
  void write_classes();
  void write_class(PortClass id, ListId set);

  Tables tables_;
  ListTable contents_;  // a row's number is its list's
  ListTable sets_;
  IntervalCut<uint32_t> cut_;
  std::vector<Row> rows_ = std::vector<Row>(1);
  std::vector<RowId> unused_;
  std::vector<Class> classes_ = std::vector<Class>(1);  // by class; 0 is none
  bool changed_ = true;
};

}  // namespace caracal::policy
