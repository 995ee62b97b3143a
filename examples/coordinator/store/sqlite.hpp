// Decides how our code talks to SQLite: one connection, prepared statements kept, values by type.
// Never hides an error: what cannot be written is StoreUnavailable.
// Called by store/sqlite_store only.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace coordinator {

struct Blob {
  const std::string& bytes;
};

class Statement {
 public:
  Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  ~Statement() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  template <typename... Values>
  Statement& bind(const Values&... values) {
    int index = 0;
    (bind_one(++index, values), ...);
    return *this;
  }
  bool step();  // whether a row is there
  void run() {
    while (step()) {
    }
  }

  int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  uint64_t u64(int column) const { return static_cast<uint64_t>(integer(column)); }
  // Text or blob, whatever it is.
  std::string bytes(int column) const;

 private:
  void bind_one(int index, int64_t value) { sqlite3_bind_int64(statement_, index, value); }
  void bind_one(int index, uint64_t value) { sqlite3_bind_int64(statement_, index, static_cast<int64_t>(value)); }
  void bind_one(int index, int value) { sqlite3_bind_int64(statement_, index, value); }
  void bind_one(int index, bool value) { sqlite3_bind_int64(statement_, index, value ? 1 : 0); }
  void bind_one(int index, const std::string& text) {
    sqlite3_bind_text64(statement_, index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  void bind_one(int index, const Blob& blob) {
    sqlite3_bind_blob64(statement_, index, blob.bytes.data(), blob.bytes.size(), SQLITE_TRANSIENT);
  }

  sqlite3* db_;
  sqlite3_stmt* statement_;
};

class Sqlite {
 public:
  // Throws std::runtime_error with one sentence.
  explicit Sqlite(const std::string& path);
  void execute(const char* sql);
  Statement prepare(const char* sql);

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3, Close> db_;
  std::map<const char*, std::unique_ptr<sqlite3_stmt, Finalize>> kept_;
};

}  // namespace coordinator
