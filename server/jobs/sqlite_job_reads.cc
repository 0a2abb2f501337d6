#include "absl/strings/str_cat.h"
#include "server/jobs/sqlite_job_rows.h"

namespace kprune {
namespace {

#define KPRUNE_PAGE_BEFORE "rank < ? AND state IN (?, ?, ?, ?, ?, ?)"
#define KPRUNE_PAGE_ORDER " ORDER BY rank DESC LIMIT ?"

constexpr char kPage[] =
    "SELECT " KPRUNE_JOB_COLUMNS " FROM jobs WHERE " KPRUNE_PAGE_BEFORE KPRUNE_PAGE_ORDER;
constexpr char kPageOfTenant[] =
    "SELECT " KPRUNE_JOB_COLUMNS " FROM jobs WHERE " KPRUNE_PAGE_BEFORE " AND tenant = ?" KPRUNE_PAGE_ORDER;

}  // namespace

absl::StatusOr<JobPage> ReadJobPage(SqliteDatabase& database, const ListQuery& list) {
  int64_t before = INT64_MAX;
  if (!list.page_token.empty()) {
    absl::StatusOr<int64_t> rank = ParsePageToken(list.page_token);
    if (!rank.ok()) return rank.status();
    before = *rank;
  }
  SqliteQuery query = database.Query(list.tenant.empty() ? kPage : kPageOfTenant);
  query.Bind(before);
  for (size_t i = 0; i < kJobStates.size(); ++i) {
    // A shorter list of states repeats its first one.
    const JobState state = list.states.empty() ? kJobStates[i] : list.states[i < list.states.size() ? i : 0];
    query.Bind(JobStateName(state));
  }
  if (!list.tenant.empty()) query.Bind(std::string_view(list.tenant));
  query.Bind(int64_t{list.page_size} + 1);
  JobPage page;
  int64_t last = 0;
  for (;;) {
    absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    if (!*row) return page;
    absl::StatusOr<RankedJob> job = ReadJobRow(database, query);
    if (!job.ok()) return job.status();
    if (PageEndsBefore(list, page, job->job.record)) {
      page.next_page_token = absl::StrCat(last);
      return page;
    }
    last = job->rank;
    page.jobs.push_back(std::move(job->job.record));
  }
}

absl::StatusOr<std::vector<std::string>> ReadFinishedJobs(SqliteDatabase& database, absl::Time before,
                                                          int limit) {
  SqliteQuery query =
      database.Query("SELECT id FROM jobs WHERE end_us IS NOT NULL AND end_us < ? ORDER BY end_us LIMIT ?");
  query.Bind(absl::ToUnixMicros(before)).Bind(int64_t{limit});
  std::vector<std::string> ids;
  for (;;) {
    absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    if (!*row) return ids;
    ids.push_back(query.Text(0));
  }
}

absl::StatusOr<std::vector<std::string>> ReadUnreferenced(SqliteDatabase& database, std::string_view tenant,
                                                          const std::vector<std::string>& digests) {
  std::vector<std::string> unreferenced;
  for (const std::string& digest : digests) {
    SqliteQuery query = database.Query(
        "SELECT 1 FROM job_files JOIN jobs ON rank = job_rank WHERE sha256 = ? AND tenant = ? LIMIT 1");
    query.Bind(std::string_view(digest)).Bind(tenant);
    absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    if (!*row) unreferenced.push_back(digest);
  }
  return unreferenced;
}

absl::StatusOr<std::vector<RunningJob>> ReadRunningJobs(SqliteDatabase& database) {
  SqliteQuery query = database.Query(
      "SELECT id, lease_epoch, worker_pid, worker_start_ticks, worker_boot_id FROM jobs "
      "WHERE state = 'RUNNING' ORDER BY rank");
  std::vector<RunningJob> running;
  for (;;) {
    absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    if (!*row) return running;
    running.push_back({{query.Text(0), query.Int(1)}, {query.Int(2), query.Int(3), query.Text(4)}});
  }
}

absl::StatusOr<EventBatch> ReadEventBatch(SqliteDatabase& database, std::string_view job_id,
                                          int64_t after_sequence, int limit) {
  SqliteQuery job =
      database.Query("SELECT rank, state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') FROM jobs WHERE id = ?");
  job.Bind(job_id);
  absl::StatusOr<bool> found = job.Step();
  if (!found.ok()) return found.status();
  if (!*found) return JobNotFound(job_id);
  SqliteQuery query = database.Query(
      "SELECT sequence, time_us, payload_json FROM events WHERE job_rank = ? AND sequence > ? "
      "ORDER BY sequence LIMIT ?");
  query.Bind(job.Int(0)).Bind(after_sequence).Bind(int64_t{limit} + 1);
  EventBatch batch;
  for (;;) {
    absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    if (static_cast<int>(batch.events.size()) == limit) return batch;
    batch.events.push_back({query.Int(0), absl::FromUnixMicros(query.Int(1)), query.Text(2)});
  }
  batch.end = job.Int(1) != 0;
  return batch;
}

absl::StatusOr<QueueStats> ReadQueueStats(SqliteDatabase& database) {
  QueueStats stats;
  {
    SqliteQuery id = database.Query("SELECT value FROM settings WHERE name = 'queue_id'");
    if (absl::StatusOr<bool> row = id.Step(); !row.ok()) return row.status();
    stats.queue_id = id.Text(0);
  }
  SqliteQuery counts = database.Query("SELECT state, COUNT(*) FROM jobs GROUP BY state");
  for (;;) {
    absl::StatusOr<bool> row = counts.Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    const std::string name = counts.Text(0);
    for (const JobState state : kJobStates) {
      if (JobStateName(state) == name) stats.jobs[static_cast<size_t>(state)] = counts.Int(1);
    }
  }
  SqliteQuery oldest = database.Query(
      "SELECT SIGN(priority), MIN(queue_us) FROM jobs WHERE state = 'QUEUED' GROUP BY SIGN(priority)");
  for (;;) {
    absl::StatusOr<bool> row = oldest.Step();
    if (!row.ok()) return row.status();
    if (!*row) return stats;
    stats.Waits(PriorityClassOf(oldest.Int(0)), absl::FromUnixMicros(oldest.Int(1)));
  }
}

}  // namespace kprune
