// The tables of the queue and the way between their rows and StoredJob. Only sqlite_job_store.cc uses it.
#ifndef KPRUNE_SERVER_JOBS_SQLITE_JOB_ROWS_H_
#define KPRUNE_SERVER_JOBS_SQLITE_JOB_ROWS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/jobs/job_transitions.h"
#include "server/jobs/sqlite_database.h"

namespace kprune {

// One row of `jobs`. `rank` is the order of creation and the key of the other tables.
struct RankedJob {
  int64_t rank = 0;
  StoredJob job;
};

// Creates the tables in a new database, or brings an older one up to date. FAILED_PRECONDITION: the database
// is of a newer version.
absl::Status PrepareSchema(SqliteDatabase& database);

// The columns that ReadJobRow expects, for a SELECT.
#define KPRUNE_JOB_COLUMNS                                                                             \
  "rank, id, request_id, state, device, options_json, preflight_json, attempt, crashes, lease_epoch, " \
  "error_code, error_message, progress, create_us, start_us, end_us, queue_us, not_before_us, "        \
  "heartbeat_us, worker_pid, worker_start_ticks, worker_boot_id, model_uri, priority, ending_early, "  \
  "tenant, trace_parent"

// The job of the query's current row, with its files.
absl::StatusOr<RankedJob> ReadJobRow(SqliteDatabase& database, const SqliteQuery& row);

// NOT_FOUND where there is none.
absl::StatusOr<RankedJob> LoadJob(SqliteDatabase& database, std::string_view job_id);

// Inserts the job with its input files and returns its rank.
absl::StatusOr<int64_t> InsertJob(SqliteDatabase& database, const StoredJob& job);

// Writes what may change. ABORTED unless the row still has `expected_epoch`.
absl::Status UpdateJob(SqliteDatabase& database, const RankedJob& job, int64_t expected_epoch);

// Inserts the files of one role: "model", "data", "eval" or "result".
absl::Status InsertFiles(SqliteDatabase& database, int64_t rank, std::string_view role,
                         const Manifest& files);

// Forgets the result's files.
absl::Status DeleteResult(SqliteDatabase& database, int64_t rank);

// Appends an event with the job's next sequence.
absl::Status InsertEvent(SqliteDatabase& database, int64_t rank, std::string_view payload_json,
                         absl::Time now);

// JobStore::List, ListFinished, FindUnreferenced, ListRunning, ReadEvents and Stats.
absl::StatusOr<JobPage> ReadJobPage(SqliteDatabase& database, const ListQuery& list);
absl::StatusOr<std::vector<std::string>> ReadFinishedJobs(SqliteDatabase& database, absl::Time before,
                                                          int limit);
absl::StatusOr<std::vector<std::string>> ReadUnreferenced(SqliteDatabase& database, std::string_view tenant,
                                                          const std::vector<std::string>& digests);
absl::StatusOr<std::vector<RunningJob>> ReadRunningJobs(SqliteDatabase& database);
absl::StatusOr<EventBatch> ReadEventBatch(SqliteDatabase& database, std::string_view job_id,
                                          int64_t after_sequence, int limit);
absl::StatusOr<QueueStats> ReadQueueStats(SqliteDatabase& database);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_SQLITE_JOB_ROWS_H_
