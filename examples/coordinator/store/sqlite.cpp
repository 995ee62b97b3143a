#include "coordinator/store/sqlite.hpp"

#include "coordinator/store/store.hpp"

namespace coordinator {
namespace {

[[noreturn]] void fail(sqlite3* db, const char* doing) {
  throw StoreUnavailable(std::string("the database could not ") + doing + ": " + sqlite3_errmsg(db));
}

}  // namespace

bool Statement::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  fail(db_, "finish a statement");
}

std::string Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
}

Sqlite::Sqlite(const std::string& path) {
  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int result = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  db_.reset(db);
  if (result != SQLITE_OK) {
    throw std::runtime_error("expected a database file that can be opened at " + path + ": " +
                             (db == nullptr ? "no memory" : sqlite3_errmsg(db)));
  }
  sqlite3_busy_timeout(db, 3000);
  try {
    // FULL: a committed transaction is on the disk before its request is answered, so it survives a kill or power cut.
    execute("PRAGMA journal_mode=WAL");
    execute("PRAGMA synchronous=FULL");
    execute("PRAGMA foreign_keys=ON");
    execute("PRAGMA temp_store=MEMORY");
  } catch (const StoreUnavailable& error) {
    throw std::runtime_error("expected a writable SQLite database at " + path + ": " + error.what());
  }
}

void Sqlite::execute(const char* sql) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(db_.get(), "execute a statement");
}

Statement Sqlite::prepare(const char* sql) {
  auto& kept = kept_[sql];
  if (!kept) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
      fail(db_.get(), "prepare a statement");
    }
    kept.reset(statement);
  }
  return Statement(db_.get(), kept.get());
}

}  // namespace coordinator
