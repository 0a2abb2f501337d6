// What the database knows of tenants: whose turn it is, and what each of them used.
#ifndef KPRUNE_SERVER_JOBS_SQLITE_TENANTS_H_
#define KPRUNE_SERVER_JOBS_SQLITE_TENANTS_H_

#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/jobs/sqlite_database.h"
#include "server/jobs/sqlite_job_rows.h"

namespace kprune {

struct JobChoice {
  std::optional<RankedJob> job;
  // As in ClaimResult.
  absl::Time retry_at = absl::InfiniteFuture();
};

// The job that JobStore::Claim is to take. Quick however many jobs wait.
absl::StatusOr<JobChoice> ChooseJob(SqliteDatabase& database, const JobStoreOptions& options,
                                    std::string_view device, absl::Time now);

// The tenant is now the one served last.
absl::Status RecordServed(SqliteDatabase& database, std::string_view tenant);

// Whether the tenant may have one more job wait; CheckMayQueue's errors.
absl::Status CheckTenantMayQueue(SqliteDatabase& database, const JobStoreOptions& options,
                                 std::string_view tenant, absl::Time now);

// Adds what an attempt that ends now has used.
absl::Status AddDeviceTime(SqliteDatabase& database, std::string_view tenant, absl::Duration used,
                           absl::Time now);

// JobStore::DeviceSeconds.
absl::StatusOr<double> ReadDeviceSeconds(SqliteDatabase& database, std::string_view tenant, absl::Time now);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_SQLITE_TENANTS_H_
