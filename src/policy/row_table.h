// RowTable: rows of the verdict table (what ports are allowed) and the port classes they need.
//
// A row is a PortSet; equal sets are one row, counted by their users. Port classes are the coarsest
// partition of all ports that no row tells apart, so a class is in a row or not. A class keeps its
// number as long as some of its ports stay in it: a new row changes only the classes it cuts.
//
// Fed by the group table; writes the tables `ports` and `rows`.
#pragma once

#include <vector>

#include "policy/interval_cut.h"
#include "policy/port_set.h"
#include "policy/tracked_table.h"

namespace caracal::policy {

using desired::PortClass;
using desired::RowId;

class RowTable {
 public:
  // Both outlive this.
  RowTable(TrackedMap<desired::PortKey, PortClass>& ports, TrackedSet<desired::RowKey>& rows);

  // 0 for the empty set: a row that allows nothing is no row.
  RowId acquire(const PortSet& ports);
  void retain(RowId id);
  void release(RowId id);
  // Drops unused rows and brings the tables up to date.
  void update();

 private:
  struct Class {
    ListId rows = 0;  // of sets_, held; which rows the class is in, as written to the table
    bool used = false;
  };
  void write_classes();
  PortClass free_class() const;

  TrackedMap<desired::PortKey, PortClass>& ports_;
  TrackedSet<desired::RowKey>& rows_;
  ListTable contents_;  // a row's number is its list's
  ListTable sets_;
  IntervalCut<uint32_t> cut_;
  std::vector<uint32_t> users_;  // by row
  std::vector<RowId> unused_;
  std::vector<Class> classes_;  // by class; 0 is none
  bool changed_ = true;
};

}  // namespace caracal::policy
