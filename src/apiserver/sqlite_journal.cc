#include "apiserver/sqlite_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>

#include "apiserver/committed_store.h"
#include "base/fd.h"

namespace caracal::apiserver {
namespace {

constexpr int kFormat = 1;  // PRAGMA user_version

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

tl::unexpected<Error> database_error(sqlite3* database, std::string_view what) {
  const int code = sqlite3_errcode(database) & 0xff;
  const Errc errc = code == SQLITE_BUSY || code == SQLITE_LOCKED ? Errc::kUnavailable
                    : code == SQLITE_FULL                        ? Errc::kExhausted
                                                                 : Errc::kInternal;
  if (errc == Errc::kUnavailable) return fail(errc, "another process has the database open");
  return fail(errc, fmt::format("{}: {}", what, sqlite3_errmsg(database)));
}

class SqliteJournal final : public Journal {
 public:
  explicit SqliteJournal(Database database) : database_(std::move(database)) {}

  Status open() {
    // Exclusive locking keeps a second server out and needs no shared-memory file.
    CARACAL_TRY(execute("PRAGMA locking_mode=EXCLUSIVE"));
    CARACAL_TRY(execute("PRAGMA journal_mode=WAL"));
    CARACAL_TRY(execute("PRAGMA synchronous=FULL"));
    CARACAL_ASSIGN(const int64_t format, number("PRAGMA user_version"));
    if (format > kFormat) {
      return fail(Errc::kUnsupported,
                  fmt::format("database format {} is newer than {}, the newest this program reads",
                              format, kFormat));
    }
    CARACAL_TRY(execute("BEGIN IMMEDIATE"));
    CARACAL_TRY(execute(
        "CREATE TABLE IF NOT EXISTS versions(revision INTEGER PRIMARY KEY, resource TEXT NOT NULL,"
        " namespace TEXT NOT NULL, name TEXT NOT NULL, deleted INTEGER NOT NULL, bytes BLOB NOT "
        "NULL)"));
    CARACAL_TRY(
        execute("CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL)"
                " WITHOUT ROWID"));
    CARACAL_TRY(execute("INSERT OR IGNORE INTO counters VALUES('compacted', 0)"));
    CARACAL_TRY(execute(fmt::format("PRAGMA user_version={}", kFormat)));
    CARACAL_TRY(execute("COMMIT"));
    CARACAL_ASSIGN(insert_, prepare("INSERT INTO versions VALUES(?1,?2,?3,?4,?5,?6)"));
    CARACAL_ASSIGN(remove_, prepare("DELETE FROM versions WHERE revision=?1"));
    CARACAL_ASSIGN(set_compacted_, prepare("UPDATE counters SET value=?1 WHERE name='compacted'"));
    return {};
  }

  Result<Revision> load(const std::function<void(Record)>& record) override {
    CARACAL_ASSIGN(const int64_t compacted,
                   number("SELECT value FROM counters WHERE name='compacted'"));
    compacted_ = static_cast<Revision>(compacted);
    CARACAL_ASSIGN(const Statement rows,
                   prepare("SELECT revision, resource, namespace, name, deleted, bytes"
                           " FROM versions ORDER BY revision"));
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(rows.get())) == SQLITE_ROW) {
      Record row;
      row.revision = static_cast<Revision>(sqlite3_column_int64(rows.get(), 0));
      row.key = {text(rows.get(), 1), text(rows.get(), 2), text(rows.get(), 3)};
      row.deleted = sqlite3_column_int(rows.get(), 4) != 0;
      row.bytes = text(rows.get(), 5);
      record(std::move(row));
    }
    if (code != SQLITE_DONE) return database_error(database_.get(), "cannot read the database");
    return compacted_;
  }

  Status append(const std::vector<EventPtr>& events, const std::vector<Revision>& obsolete,
                Revision compacted) override {
    CARACAL_TRY(execute("BEGIN IMMEDIATE"));
    if (Status written = write(events, obsolete, compacted); !written) {
      sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
      return written;
    }
    compacted_ = compacted;
    return {};
  }

 private:
  Status write(const std::vector<EventPtr>& events, const std::vector<Revision>& obsolete,
               Revision compacted) {
    for (const EventPtr& event : events) {
      const StoredObject& object = event->now ? *event->now : *event->last;
      sqlite3_stmt* row = insert_.get();
      sqlite3_bind_int64(row, 1, static_cast<sqlite3_int64>(event->revision));
      bind_text(row, 2, object.key.resource);
      bind_text(row, 3, object.key.ns);
      bind_text(row, 4, object.key.name);
      sqlite3_bind_int(row, 5, event->now ? 0 : 1);
      sqlite3_bind_blob64(row, 6, object.bytes.data(), object.bytes.size(), SQLITE_STATIC);
      CARACAL_TRY(step(row));
    }
    for (const Revision revision : obsolete) {
      sqlite3_bind_int64(remove_.get(), 1, static_cast<sqlite3_int64>(revision));
      CARACAL_TRY(step(remove_.get()));
    }
    if (compacted != compacted_) {
      sqlite3_bind_int64(set_compacted_.get(), 1, static_cast<sqlite3_int64>(compacted));
      CARACAL_TRY(step(set_compacted_.get()));
    }
    return execute("COMMIT");
  }

  static void bind_text(sqlite3_stmt* statement, int column, const std::string& value) {
    sqlite3_bind_text64(statement, column, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8);
  }

  static std::string text(sqlite3_stmt* row, int column) {
    const void* data = sqlite3_column_blob(row, column);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(row, column));
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
  }

  Status step(sqlite3_stmt* statement) {
    const int code = sqlite3_step(statement);
    Status result;
    if (code != SQLITE_DONE)
      result = database_error(database_.get(), "cannot write to the database");
    sqlite3_reset(statement);
    return result;
  }

  Status execute(const std::string& sql) {
    if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
      return database_error(database_.get(), sql);
    }
    return {};
  }

  Result<Statement> prepare(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
      return database_error(database_.get(), sql);
    }
    return Statement(statement);
  }

  Result<int64_t> number(const std::string& sql) {
    CARACAL_ASSIGN(const Statement statement, prepare(sql));
    if (sqlite3_step(statement.get()) != SQLITE_ROW) return database_error(database_.get(), sql);
    return sqlite3_column_int64(statement.get(), 0);
  }

  Database database_;
  Statement insert_;
  Statement remove_;
  Statement set_compacted_;
  Revision compacted_ = 0;
};

}  // namespace

Result<std::unique_ptr<Journal>> open_sqlite_journal(const std::string& path) {
  // Secrets are in it: nobody else may read it. The write-ahead log takes its mode from the
  // database. Only a new file is opened here: closing one that SQLite has open would drop its
  // locks.
  UniqueFd created(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!created && errno != EEXIST) return fail_errno(errno, "cannot create " + path);
  created.reset();
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(raw);
  if (code != SQLITE_OK) {
    return fail(Errc::kInternal, fmt::format("cannot open {}: {}", path, sqlite3_errstr(code)));
  }
  auto journal = std::make_unique<SqliteJournal>(std::move(database));
  if (const Status opened = journal->open(); !opened) return fail(opened.error().within(path));
  return std::unique_ptr<Journal>(std::move(journal));
}

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path, StoreOptions options) {
  CARACAL_ASSIGN(std::unique_ptr<Journal> journal, open_sqlite_journal(path));
  return CommittedStore::open(std::move(journal), std::move(options));
}

}  // namespace caracal::apiserver
