#include "server/jobs/sqlite_job_rows.h"

#include <optional>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

constexpr int64_t kSchemaVersion = 7;

// Times are microseconds since 1970.
constexpr char kSchema[] = R"sql(
CREATE TABLE jobs (
  rank INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  request_id TEXT UNIQUE,
  state TEXT NOT NULL,
  device TEXT NOT NULL,
  options_json TEXT NOT NULL,
  preflight_json TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  lease_epoch INTEGER NOT NULL,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL,
  progress REAL NOT NULL,
  create_us INTEGER NOT NULL,
  start_us INTEGER,
  end_us INTEGER,
  queue_us INTEGER NOT NULL,
  not_before_us INTEGER NOT NULL,
  heartbeat_us INTEGER NOT NULL,
  worker_pid INTEGER NOT NULL,
  worker_start_ticks INTEGER NOT NULL,
  worker_boot_id TEXT NOT NULL
);
CREATE INDEX jobs_by_state ON jobs (state, rank);
CREATE TABLE job_files (
  job_rank INTEGER NOT NULL REFERENCES jobs (rank) ON DELETE CASCADE,
  role TEXT NOT NULL,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  PRIMARY KEY (job_rank, role, position)
) WITHOUT ROWID;
CREATE INDEX job_files_by_digest ON job_files (sha256);
CREATE TABLE events (
  job_rank INTEGER NOT NULL REFERENCES jobs (rank) ON DELETE CASCADE,
  sequence INTEGER NOT NULL,
  time_us INTEGER NOT NULL,
  payload_json TEXT NOT NULL,
  PRIMARY KEY (job_rank, sequence)
) WITHOUT ROWID;
PRAGMA user_version = 1;
)sql";

// From each version to the next.
constexpr char kToVersion2[] = R"sql(
ALTER TABLE jobs ADD COLUMN model_uri TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 2;
)sql";
constexpr char kToVersion3[] = R"sql(
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
CREATE INDEX jobs_waiting ON jobs (priority DESC, rank) WHERE state IN ('QUEUED', 'RETRY_WAIT');
CREATE INDEX jobs_by_end ON jobs (end_us) WHERE end_us IS NOT NULL;
PRAGMA user_version = 3;
)sql";
constexpr char kToVersion4[] = R"sql(
ALTER TABLE jobs ADD COLUMN ending_early INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 4;
)sql";
// settings: what is of the queue as a whole. Its queue_id tells servers with one queue from those with
// several.
constexpr char kToVersion5[] = R"sql(
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT OR IGNORE INTO settings VALUES ('queue_id', lower(hex(randomblob(8))));
PRAGMA user_version = 5;
)sql";
// Tenants. A request_id is unique within one, for which the table is made anew, its ranks going on where they
// were. tenants: in which order they were served last; device_use: what attempts used that ended in an hour
// since 1970.
constexpr char kToVersion6[] = R"sql(
CREATE TABLE new_jobs (
  rank INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  request_id TEXT,
  state TEXT NOT NULL,
  device TEXT NOT NULL,
  options_json TEXT NOT NULL,
  preflight_json TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  lease_epoch INTEGER NOT NULL,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL,
  progress REAL NOT NULL,
  create_us INTEGER NOT NULL,
  start_us INTEGER,
  end_us INTEGER,
  queue_us INTEGER NOT NULL,
  not_before_us INTEGER NOT NULL,
  heartbeat_us INTEGER NOT NULL,
  worker_pid INTEGER NOT NULL,
  worker_start_ticks INTEGER NOT NULL,
  worker_boot_id TEXT NOT NULL,
  model_uri TEXT NOT NULL,
  priority INTEGER NOT NULL,
  ending_early INTEGER NOT NULL,
  tenant TEXT NOT NULL
);
INSERT INTO new_jobs SELECT *, 'default' FROM jobs;
DELETE FROM sqlite_sequence WHERE name = 'new_jobs';
INSERT INTO sqlite_sequence SELECT 'new_jobs', seq FROM sqlite_sequence WHERE name = 'jobs';
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;
CREATE UNIQUE INDEX jobs_by_request ON jobs (tenant, request_id);
CREATE INDEX jobs_by_state ON jobs (state, rank);
CREATE INDEX jobs_by_tenant ON jobs (tenant, rank);
CREATE INDEX jobs_waiting ON jobs (tenant, priority DESC, rank) WHERE state IN ('QUEUED', 'RETRY_WAIT');
CREATE INDEX jobs_running ON jobs (tenant) WHERE state = 'RUNNING';
CREATE INDEX jobs_by_end ON jobs (end_us) WHERE end_us IS NOT NULL;
CREATE TABLE tenants (name TEXT PRIMARY KEY, served INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE device_use (
  tenant TEXT NOT NULL,
  hour INTEGER NOT NULL,
  seconds REAL NOT NULL,
  PRIMARY KEY (tenant, hour)
) WITHOUT ROWID;
PRAGMA user_version = 6;
)sql";
constexpr char kToVersion7[] = R"sql(
ALTER TABLE jobs ADD COLUMN trace_parent TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 7;
)sql";

std::optional<int64_t> OptionalMicros(const std::optional<absl::Time>& time) {
  if (!time) return std::nullopt;
  return absl::ToUnixMicros(*time);
}

std::optional<absl::Time> OptionalTime(std::optional<int64_t> micros) {
  if (!micros) return std::nullopt;
  return absl::FromUnixMicros(*micros);
}

absl::StatusOr<JobState> ParseState(std::string_view name) {
  for (const JobState state : kJobStates) {
    if (JobStateName(state) == name) return state;
  }
  return absl::DataLossError(
      absl::StrCat("The job database has a job in state \"", std::string(name), "\"."));
}

Manifest* FilesOfRole(JobRecord& job, std::string_view role) {
  if (role == "model") return &job.input.model;
  if (role == "data") return &job.input.data;
  if (role == "eval") return &job.input.eval;
  if (role == "result") return &job.result;
  return nullptr;
}

absl::Status ReadFiles(SqliteDatabase& database, RankedJob& job) {
  SqliteQuery query = database.Query(
      "SELECT role, name, sha256, size_bytes FROM job_files WHERE job_rank = ? ORDER BY role, position");
  query.Bind(job.rank);
  for (;;) {
    absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    Manifest* const files = FilesOfRole(job.job.record, query.Text(0));
    if (files == nullptr) return absl::DataLossError("The job database has a file of an unknown role.");
    files->push_back({query.Text(1), query.Text(2), query.Int(3)});
  }
}

absl::Status CheckReferences(SqliteDatabase& database) {
  const absl::StatusOr<bool> dangling = database.Query("PRAGMA foreign_key_check").Step();
  if (!dangling.ok()) return dangling.status();
  return *dangling ? absl::DataLossError("The job database has files or events of no job.")
                   : absl::OkStatus();
}

// All or nothing.
absl::Status Migrate(SqliteDatabase& database, int64_t version) {
  auto transaction = SqliteTransaction::Begin(database);
  if (!transaction.ok()) return transaction.status();
  absl::Status status = version == 0 ? database.Execute(kSchema) : absl::OkStatus();
  if (status.ok() && version < 2) status = database.Execute(kToVersion2);
  if (status.ok() && version < 3) status = database.Execute(kToVersion3);
  if (status.ok() && version < 4) status = database.Execute(kToVersion4);
  if (status.ok() && version < 5) status = database.Execute(kToVersion5);
  if (status.ok() && version < 6) status = database.Execute(kToVersion6);
  if (status.ok()) status = database.Execute(kToVersion7);
  if (status.ok()) status = CheckReferences(database);
  if (!status.ok()) return status;
  return transaction->Commit();
}

}  // namespace

absl::Status PrepareSchema(SqliteDatabase& database) {
  int64_t version = 0;
  {
    SqliteQuery query = database.Query("PRAGMA user_version");
    if (absl::StatusOr<bool> row = query.Step(); !row.ok()) return row.status();
    version = query.Int(0);
  }
  if (version == kSchemaVersion) return absl::OkStatus();
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat("The job database has version ", version,
                                                      ", and this kprune-server reads version ",
                                                      kSchemaVersion, "; start the server that wrote it."));
  }
  // A table that is made anew would else take along what refers to it. No effect inside a transaction.
  absl::Status status = database.Execute("PRAGMA foreign_keys = OFF");
  if (status.ok()) status = Migrate(database, version);
  if (status.ok()) status = database.Execute("PRAGMA foreign_keys = ON");
  return status;
}

absl::StatusOr<RankedJob> ReadJobRow(SqliteDatabase& database, const SqliteQuery& row) {
  RankedJob ranked;
  ranked.rank = row.Int(0);
  JobRecord& job = ranked.job.record;
  job.id = row.Text(1);
  job.request_id = row.Text(2);
  absl::StatusOr<JobState> state = ParseState(row.Text(3));
  if (!state.ok()) return state.status();
  job.state = *state;
  job.input.device = row.Text(4);
  job.input.options_json = row.Text(5);
  job.preflight_json = row.Text(6);
  job.attempt = static_cast<int>(row.Int(7));
  job.crashes = static_cast<int>(row.Int(8));
  job.lease_epoch = row.Int(9);
  job.error = {row.Text(10), row.Text(11)};
  job.progress = row.Real(12);
  job.create_time = absl::FromUnixMicros(row.Int(13));
  job.start_time = OptionalTime(row.OptionalInt(14));
  job.end_time = OptionalTime(row.OptionalInt(15));
  ranked.job.queue_time = absl::FromUnixMicros(row.Int(16));
  ranked.job.not_before = absl::FromUnixMicros(row.Int(17));
  ranked.job.heartbeat_time = absl::FromUnixMicros(row.Int(18));
  ranked.job.worker = {row.Int(19), row.Int(20), row.Text(21)};
  job.input.model_uri = row.Text(22);
  job.input.priority = static_cast<int>(row.Int(23));
  job.ending_early = row.Int(24) != 0;
  job.tenant = row.Text(25);
  job.input.trace_parent = row.Text(26);
  if (absl::Status status = ReadFiles(database, ranked); !status.ok()) return status;
  return ranked;
}

absl::StatusOr<RankedJob> LoadJob(SqliteDatabase& database, std::string_view job_id) {
  SqliteQuery query = database.Query("SELECT " KPRUNE_JOB_COLUMNS " FROM jobs WHERE id = ?");
  query.Bind(job_id);
  absl::StatusOr<bool> row = query.Step();
  if (!row.ok()) return row.status();
  if (!*row) return JobNotFound(job_id);
  return ReadJobRow(database, query);
}

absl::StatusOr<int64_t> InsertJob(SqliteDatabase& database, const StoredJob& job) {
  const JobRecord& record = job.record;
  absl::Status status =
      database
          .Query(
              "INSERT INTO jobs VALUES (NULL, ?, NULLIF(?, ''), ?, ?, ?, ?, 0, 0, 0, '', '', "
              "0, ?, NULL, NULL, ?, 0, 0, 0, 0, '', ?, ?, 0, ?, ?)")
          .Bind(std::string_view(record.id))
          .Bind(std::string_view(record.request_id))
          .Bind(JobStateName(record.state))
          .Bind(std::string_view(record.input.device))
          .Bind(std::string_view(record.input.options_json))
          .Bind(std::string_view(record.preflight_json))
          .Bind(absl::ToUnixMicros(record.create_time))
          .Bind(absl::ToUnixMicros(job.queue_time))
          .Bind(std::string_view(record.input.model_uri))
          .Bind(int64_t{record.input.priority})
          .Bind(std::string_view(record.tenant))
          .Bind(std::string_view(record.input.trace_parent))
          .Run();
  if (!status.ok()) return status;
  const int64_t rank = database.last_insert_rowid();
  status.Update(InsertFiles(database, rank, "model", record.input.model));
  status.Update(InsertFiles(database, rank, "data", record.input.data));
  status.Update(InsertFiles(database, rank, "eval", record.input.eval));
  if (!status.ok()) return status;
  return rank;
}

absl::Status UpdateJob(SqliteDatabase& database, const RankedJob& ranked, int64_t expected_epoch) {
  const JobRecord& job = ranked.job.record;
  absl::Status status =
      database
          .Query(
              "UPDATE jobs SET state = ?, attempt = ?, crashes = ?, lease_epoch = ?, error_code = ?, "
              "error_message = ?, progress = ?, start_us = ?, end_us = ?, queue_us = ?, not_before_us = ?, "
              "heartbeat_us = ?, worker_pid = ?, worker_start_ticks = ?, worker_boot_id = ?, ending_early = "
              "? "
              "WHERE rank = ? AND lease_epoch = ?")
          .Bind(JobStateName(job.state))
          .Bind(int64_t{job.attempt})
          .Bind(int64_t{job.crashes})
          .Bind(job.lease_epoch)
          .Bind(std::string_view(job.error.code))
          .Bind(std::string_view(job.error.message))
          .Bind(job.progress)
          .Bind(OptionalMicros(job.start_time))
          .Bind(OptionalMicros(job.end_time))
          .Bind(absl::ToUnixMicros(ranked.job.queue_time))
          .Bind(absl::ToUnixMicros(ranked.job.not_before))
          .Bind(absl::ToUnixMicros(ranked.job.heartbeat_time))
          .Bind(ranked.job.worker.pid)
          .Bind(ranked.job.worker.start_ticks)
          .Bind(std::string_view(ranked.job.worker.boot_id))
          .Bind(int64_t{job.ending_early})
          .Bind(ranked.rank)
          .Bind(expected_epoch)
          .Run();
  if (!status.ok()) return status;
  if (database.changed_rows() == 1) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("jobs/", job.id, " was changed by somebody else."));
}

absl::Status InsertFiles(SqliteDatabase& database, int64_t rank, std::string_view role,
                         const Manifest& files) {
  for (size_t i = 0; i < files.size(); ++i) {
    absl::Status status = database.Query("INSERT INTO job_files VALUES (?, ?, ?, ?, ?, ?)")
                              .Bind(rank)
                              .Bind(role)
                              .Bind(static_cast<int64_t>(i))
                              .Bind(std::string_view(files[i].name))
                              .Bind(std::string_view(files[i].sha256))
                              .Bind(files[i].size_bytes)
                              .Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DeleteResult(SqliteDatabase& database, int64_t rank) {
  return database.Query("DELETE FROM job_files WHERE job_rank = ? AND role = 'result'").Bind(rank).Run();
}

absl::Status InsertEvent(SqliteDatabase& database, int64_t rank, std::string_view payload_json,
                         absl::Time now) {
  return database
      .Query(
          "INSERT INTO events SELECT ?1, COALESCE(MAX(sequence), 0) + 1, ?2, ?3 FROM events WHERE job_rank = "
          "?1")
      .Bind(rank)
      .Bind(absl::ToUnixMicros(now))
      .Bind(payload_json)
      .Run();
}

}  // namespace kprune
