#include "server/jobs/sqlite_database.h"

#include <sqlite3.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

constexpr int kBusyTimeoutMilliseconds = 5000;

constexpr char kConnectionSettings[] =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA foreign_keys = ON;"
    "PRAGMA secure_delete = ON;";  // what is deleted is overwritten

}  // namespace

SqliteQuery::SqliteQuery(SqliteDatabase& database, sqlite3_stmt* statement)
    : database_(&database), statement_(statement) {
  if (statement_ == nullptr) status_ = database.Error("prepare a statement");
}

SqliteQuery::SqliteQuery(SqliteQuery&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      next_parameter_(other.next_parameter_),
      status_(std::move(other.status_)) {}

SqliteQuery::~SqliteQuery() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

SqliteQuery& SqliteQuery::Bind(int64_t value) {
  if (status_.ok() && sqlite3_bind_int64(statement_, next_parameter_++, value) != SQLITE_OK) {
    status_ = database_->Error("bind a parameter");
  }
  return *this;
}

SqliteQuery& SqliteQuery::Bind(double value) {
  if (status_.ok() && sqlite3_bind_double(statement_, next_parameter_++, value) != SQLITE_OK) {
    status_ = database_->Error("bind a parameter");
  }
  return *this;
}

SqliteQuery& SqliteQuery::Bind(std::string_view value) {
  // An empty view may have no address, and SQLite takes a null one for NULL.
  const char* const data = value.empty() ? "" : value.data();
  if (status_.ok() && sqlite3_bind_text64(statement_, next_parameter_++, data, value.size(), SQLITE_TRANSIENT,
                                          SQLITE_UTF8) != SQLITE_OK) {
    status_ = database_->Error("bind a parameter");
  }
  return *this;
}

SqliteQuery& SqliteQuery::Bind(std::optional<int64_t> value) {
  if (value) return Bind(*value);
  if (status_.ok() && sqlite3_bind_null(statement_, next_parameter_++) != SQLITE_OK) {
    status_ = database_->Error("bind a parameter");
  }
  return *this;
}

absl::StatusOr<bool> SqliteQuery::Step() {
  if (!status_.ok()) return status_;
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return database_->Error("run a statement");
  }
}

absl::Status SqliteQuery::Run() {
  for (;;) {
    absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
  }
}

int64_t SqliteQuery::Int(int column) const { return sqlite3_column_int64(statement_, column); }

double SqliteQuery::Real(int column) const { return sqlite3_column_double(statement_, column); }

std::string SqliteQuery::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

std::optional<int64_t> SqliteQuery::OptionalInt(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return Int(column);
}

absl::StatusOr<SqliteTransaction> SqliteTransaction::Begin(SqliteDatabase& database) {
  if (absl::Status status = database.Query("BEGIN IMMEDIATE").Run(); !status.ok()) return status;
  return SqliteTransaction(database);
}

SqliteTransaction::~SqliteTransaction() {
  // Fails only where SQLite has rolled back by itself already.
  if (database_ != nullptr) database_->Query("ROLLBACK").Run().IgnoreError();
}

absl::Status SqliteTransaction::Commit() {
  absl::Status status = database_->Commit();
  if (status.ok()) database_ = nullptr;
  return status;
}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(const std::filesystem::path& file,
                                                                     Metrics* metrics) {
  sqlite3* connection = nullptr;
  const int result = sqlite3_open_v2(
      file.c_str(), &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (connection == nullptr) return absl::InternalError("Out of memory when opening the job database.");
  auto database = std::unique_ptr<SqliteDatabase>(new SqliteDatabase(connection, file, metrics));
  if (result != SQLITE_OK) return database->Error("open");
  sqlite3_extended_result_codes(connection, 1);
  sqlite3_busy_timeout(connection, kBusyTimeoutMilliseconds);
  if (absl::Status status = database->Execute(kConnectionSettings); !status.ok()) return status;
  return database;
}

SqliteDatabase::~SqliteDatabase() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(connection_);
}

absl::Status SqliteDatabase::Commit() {
  const auto start = std::chrono::steady_clock::now();
  absl::Status status = Query("COMMIT").Run();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (metrics_ != nullptr) metrics_->OnDatabaseCommit(seconds.count());
  return status;
}

SqliteQuery SqliteDatabase::Query(const char* sql) {
  auto [place, is_new] = statements_.try_emplace(sql, nullptr);
  if (place->second == nullptr) {
    sqlite3_prepare_v3(connection_, sql, -1, SQLITE_PREPARE_PERSISTENT, &place->second, nullptr);
  }
  return SqliteQuery(*this, place->second);
}

absl::Status SqliteDatabase::Execute(const char* sql) {
  if (sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return Error("set up");
}

int64_t SqliteDatabase::changed_rows() const { return sqlite3_changes64(connection_); }

int64_t SqliteDatabase::last_insert_rowid() const { return sqlite3_last_insert_rowid(connection_); }

absl::Status SqliteDatabase::Error(std::string_view what) const {
  const int code = sqlite3_errcode(connection_) & 0xff;
  const std::string message = absl::StrCat("The job database ", file_.string(), " failed to ",
                                           std::string(what), ": ", sqlite3_errmsg(connection_), ".");
  switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(absl::StrCat(
          message, " Another process has it open; only one kprune-server may use a data folder."));
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return absl::UnavailableError(absl::StrCat(message, " Its folder must exist and be writable."));
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace kprune
