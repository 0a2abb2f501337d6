#include "server/jobs/sqlite_tenants.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/jobs/tenant_rules.h"

namespace kprune {
namespace {

// Exactly so in the index jobs_waiting, which is then used however many jobs there are.
#define KPRUNE_WAITING "state IN ('QUEUED', 'RETRY_WAIT')"

// Each step looks up the next tenant in jobs_waiting, whatever number of jobs lies between.
constexpr char kTurns[] =
    "WITH RECURSIVE waiting (tenant) AS ("
    "SELECT MIN(tenant) FROM jobs WHERE " KPRUNE_WAITING
    " UNION ALL SELECT (SELECT MIN(tenant) FROM jobs WHERE " KPRUNE_WAITING
    " AND tenant > waiting.tenant) FROM waiting WHERE waiting.tenant IS NOT NULL) "
    "SELECT tenant, (SELECT COUNT(*) FROM jobs WHERE state = 'RUNNING' AND tenant = waiting.tenant) AS "
    "running, COALESCE((SELECT served FROM tenants WHERE name = waiting.tenant), 0) AS served "
    "FROM waiting WHERE tenant IS NOT NULL ORDER BY running, served, tenant";

constexpr char kClaimable[] =
    "SELECT " KPRUNE_JOB_COLUMNS " FROM jobs WHERE " KPRUNE_WAITING
    " AND tenant = ? AND (state = 'QUEUED' OR not_before_us <= ? OR not_before_us > ?) "
    "AND device IN ('auto', ?) ORDER BY priority DESC, rank LIMIT 1";

constexpr char kNextRetry[] =
    "SELECT MIN(not_before_us) FROM jobs WHERE state = 'RETRY_WAIT' AND not_before_us > ? "
    "AND device IN ('auto', ?)";

struct Turn {
  std::string tenant;
  int64_t running_jobs = 0;
};

absl::StatusOr<std::vector<Turn>> ReadTurns(SqliteDatabase& database) {
  SqliteQuery query = database.Query(kTurns);
  std::vector<Turn> turns;
  for (;;) {
    absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    if (!*row) return turns;
    turns.push_back({query.Text(0), query.Int(1)});
  }
}

absl::StatusOr<bool> MayRun(SqliteDatabase& database, const JobStoreOptions& options, const Turn& turn,
                            absl::Time now) {
  const TenantLimits limits = LimitsOf(options, turn.tenant);
  const absl::StatusOr<double> used = ReadDeviceSeconds(database, turn.tenant, now);
  if (!used.ok()) return used.status();
  return MayRunMore(limits, turn.running_jobs, *used);
}

absl::StatusOr<std::optional<RankedJob>> FirstJobOf(SqliteDatabase& database, const JobStoreOptions& options,
                                                    std::string_view tenant, std::string_view device,
                                                    absl::Time now) {
  SqliteQuery query = database.Query(kClaimable);
  query.Bind(tenant)
      .Bind(absl::ToUnixMicros(now))
      .Bind(absl::ToUnixMicros(now + LongestBackoff(options)))
      .Bind(device);
  absl::StatusOr<bool> row = query.Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::optional<RankedJob>();
  absl::StatusOr<RankedJob> job = ReadJobRow(database, query);
  if (!job.ok()) return job.status();
  return std::optional(*std::move(job));
}

}  // namespace

absl::StatusOr<JobChoice> ChooseJob(SqliteDatabase& database, const JobStoreOptions& options,
                                    std::string_view device, absl::Time now) {
  absl::StatusOr<std::vector<Turn>> turns = ReadTurns(database);
  if (!turns.ok()) return turns.status();
  JobChoice choice;
  for (const Turn& turn : *turns) {
    const absl::StatusOr<bool> may_run = MayRun(database, options, turn, now);
    if (!may_run.ok()) return may_run.status();
    if (!*may_run) {
      choice.retry_at = now + kLimitsInterval;
      continue;
    }
    absl::StatusOr<std::optional<RankedJob>> job = FirstJobOf(database, options, turn.tenant, device, now);
    if (!job.ok()) return job.status();
    if (*job) return JobChoice{*std::move(job)};
  }
  SqliteQuery next = database.Query(kNextRetry);
  next.Bind(absl::ToUnixMicros(now)).Bind(device);
  if (absl::StatusOr<bool> found = next.Step(); !found.ok()) return found.status();
  if (const auto micros = next.OptionalInt(0))
    choice.retry_at = std::min(choice.retry_at, absl::FromUnixMicros(*micros));
  return choice;
}

absl::Status RecordServed(SqliteDatabase& database, std::string_view tenant) {
  return database
      .Query(
          "INSERT INTO tenants VALUES (?, (SELECT COALESCE(MAX(served), 0) + 1 FROM tenants)) "
          "ON CONFLICT (name) DO UPDATE SET served = excluded.served")
      .Bind(tenant)
      .Run();
}

absl::Status CheckTenantMayQueue(SqliteDatabase& database, const JobStoreOptions& options,
                                 std::string_view tenant, absl::Time now) {
  SqliteQuery waiting = database.Query("SELECT COUNT(*) FROM jobs WHERE " KPRUNE_WAITING " AND tenant = ?");
  waiting.Bind(tenant);
  if (absl::StatusOr<bool> row = waiting.Step(); !row.ok()) return row.status();
  const absl::StatusOr<double> used = ReadDeviceSeconds(database, tenant, now);
  if (!used.ok()) return used.status();
  return CheckMayQueue(options, tenant, waiting.Int(0), *used);
}

absl::Status AddDeviceTime(SqliteDatabase& database, std::string_view tenant, absl::Duration used,
                           absl::Time now) {
  absl::Status status = database.Query("DELETE FROM device_use WHERE tenant = ? AND hour < ?")
                            .Bind(tenant)
                            .Bind(FirstUsageHour(now))
                            .Run();
  if (!status.ok()) return status;
  return database
      .Query(
          "INSERT INTO device_use VALUES (?, ?, ?) "
          "ON CONFLICT (tenant, hour) DO UPDATE SET seconds = seconds + excluded.seconds")
      .Bind(tenant)
      .Bind(UsageHour(now))
      .Bind(absl::ToDoubleSeconds(used))
      .Run();
}

absl::StatusOr<double> ReadDeviceSeconds(SqliteDatabase& database, std::string_view tenant, absl::Time now) {
  SqliteQuery query = database.Query("SELECT TOTAL(seconds) FROM device_use WHERE tenant = ? AND hour >= ?");
  query.Bind(tenant).Bind(FirstUsageHour(now));
  if (absl::StatusOr<bool> row = query.Step(); !row.ok()) return row.status();
  double seconds = query.Real(0);
  SqliteQuery running =
      database.Query("SELECT start_us, heartbeat_us FROM jobs WHERE state = 'RUNNING' AND tenant = ?");
  running.Bind(tenant);
  for (;;) {
    absl::StatusOr<bool> row = running.Step();
    if (!row.ok()) return row.status();
    if (!*row) return seconds;
    StoredJob job;
    job.record.start_time = absl::FromUnixMicros(running.Int(0));
    job.heartbeat_time = absl::FromUnixMicros(running.Int(1));
    seconds += absl::ToDoubleSeconds(DeviceTime(job, now));
  }
}

}  // namespace kprune
