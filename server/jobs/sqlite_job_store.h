// The queue in one SQLite file: one connection in one process, WAL, synchronous=FULL, foreign keys on. The
// file is locked while it is open, so a second server on the same folder is refused instead of running the
// same jobs.
#ifndef KPRUNE_SERVER_JOBS_SQLITE_JOB_STORE_H_
#define KPRUNE_SERVER_JOBS_SQLITE_JOB_STORE_H_

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "kprune/job_store.h"

namespace kprune {

// Opens the database, or creates it. UNAVAILABLE: another process has it open, or it cannot be written.
// FAILED_PRECONDITION: it was written by a newer version. DATA_LOSS: it is no such database.
absl::StatusOr<std::unique_ptr<JobStore>> OpenSqliteJobStore(const std::filesystem::path& file,
                                                             const JobStoreOptions& options);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_SQLITE_JOB_STORE_H_
