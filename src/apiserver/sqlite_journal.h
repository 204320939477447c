// SqliteJournal: one table of object versions in an SQLite database (WAL, synchronous=FULL,
// exclusive).
#pragma once

#include <memory>
#include <string>

#include "apiserver/journal.h"

namespace caracal::apiserver {

// Errors: kUnavailable when another process has the database open, kUnsupported when a newer format
// wrote it, kInternal with SQLite's text otherwise.
Result<std::unique_ptr<Journal>> open_sqlite_journal(const std::string& path);

}  // namespace caracal::apiserver
