// Journal: where a store's changes become durable, and from where they come back at start.
//
// Used by CommittedStore on its commit thread only.
#pragma once

#include <functional>
#include <vector>

#include "apiserver/store.h"

namespace caracal::apiserver {

class Journal {
 public:
  // One row: a version of an object, or the end of one (then `bytes` is its final state).
  struct Record {
    Revision revision = 0;
    ObjectKey key;
    bool deleted = false;
    std::string bytes;
  };

  virtual ~Journal() = default;

  // Gives all records in order of revision, and returns the revision up to which events are
  // compacted.
  virtual Result<Revision> load(const std::function<void(Record)>& record) = 0;
  // Writes events, deletes rows that no reader can ask for any more, and notes the compacted
  // revision; all or nothing, durable when it returns.
  virtual Status append(const std::vector<EventPtr>& events, const std::vector<Revision>& obsolete,
                        Revision compacted) = 0;
};

// Of the memory store: keeps nothing.
class NullJournal final : public Journal {
 public:
  Result<Revision> load(const std::function<void(Record)>&) override { return Revision{0}; }
  Status append(const std::vector<EventPtr>&, const std::vector<Revision>&, Revision) override {
    return {};
  }
};

}  // namespace caracal::apiserver
