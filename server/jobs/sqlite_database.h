// A thin, checked layer over SQLite's C interface: one connection, cached prepared statements, transactions
// that roll back unless they are committed. Not thread-safe: its owner holds a mutex.
#ifndef KPRUNE_SERVER_JOBS_SQLITE_DATABASE_H_
#define KPRUNE_SERVER_JOBS_SQLITE_DATABASE_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/metrics.h"

struct sqlite3;
struct sqlite3_stmt;

namespace kprune {

class SqliteDatabase;

// One run of a prepared statement. Bind the parameters in order, then step. Resets the statement when it is
// destroyed.
class SqliteQuery {
 public:
  SqliteQuery(SqliteQuery&& other) noexcept;
  ~SqliteQuery();

  SqliteQuery& Bind(int64_t value);
  SqliteQuery& Bind(double value);
  SqliteQuery& Bind(std::string_view value);
  SqliteQuery& Bind(std::optional<int64_t> value);  // nothing is NULL

  // True: a row is there. False: the end.
  absl::StatusOr<bool> Step();
  // Steps to the end.
  absl::Status Run();

  // Columns of the current row, from 0. NULL reads as 0 or "".
  int64_t Int(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;
  std::optional<int64_t> OptionalInt(int column) const;

 private:
  friend class SqliteDatabase;
  SqliteQuery(SqliteDatabase& database, sqlite3_stmt* statement);

  SqliteDatabase* database_;
  sqlite3_stmt* statement_;  // owned by the database's cache; null after a move, or when it did not compile
  int next_parameter_ = 1;
  absl::Status status_;  // the first error of preparing or binding
};

// BEGIN IMMEDIATE ... COMMIT.
class SqliteTransaction {
 public:
  static absl::StatusOr<SqliteTransaction> Begin(SqliteDatabase& database);
  SqliteTransaction(SqliteTransaction&& other) noexcept
      : database_(std::exchange(other.database_, nullptr)) {}
  // Rolls back unless committed.
  ~SqliteTransaction();

  absl::Status Commit();

 private:
  explicit SqliteTransaction(SqliteDatabase& database) : database_(&database) {}

  SqliteDatabase* database_;  // null when it has ended
};

class SqliteDatabase {
 public:
  // Opens or creates the file: WAL, synchronous=FULL, foreign keys, locked for this process. The errors are
  // those of OpenSqliteJobStore.
  // Tells `metrics`, which may be null and is borrowed, how long commits of transactions take.
  static absl::StatusOr<std::unique_ptr<SqliteDatabase>> Open(const std::filesystem::path& file,
                                                              Metrics* metrics = nullptr);
  ~SqliteDatabase();

  // `sql` must be a literal: statements are cached by their address.
  SqliteQuery Query(const char* sql);
  // Runs statements that return nothing.
  absl::Status Execute(const char* sql);
  // Rows changed by the last INSERT, UPDATE or DELETE.
  int64_t changed_rows() const;
  int64_t last_insert_rowid() const;

  // The connection's last error as a status: UNAVAILABLE (locked), RESOURCE_EXHAUSTED (disk full), DATA_LOSS
  // (damaged) or INTERNAL.
  absl::Status Error(std::string_view what) const;

 private:
  friend class SqliteTransaction;
  SqliteDatabase(sqlite3* connection, std::filesystem::path file, Metrics* metrics)
      : connection_(connection), file_(std::move(file)), metrics_(metrics) {}

  absl::Status Commit();

  sqlite3* const connection_;
  const std::filesystem::path file_;
  Metrics* const metrics_;
  std::map<const char*, sqlite3_stmt*> statements_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_SQLITE_DATABASE_H_
