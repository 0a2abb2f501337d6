#include "server/jobs/housekeeper.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/log.h"

namespace kprune {
namespace {

constexpr int kJobsAtOnce = 100;
// Clocks are corrected by less than this all the time.
constexpr absl::Duration kSameClock = absl::Minutes(1);

}  // namespace

Housekeeper::Housekeeper(HousekeeperContext context, HousekeeperOptions options)
    : context_(context), options_(options) {}

void Housekeeper::Start() {
  thread_.emplace(context_.clock, options_.interval, [this] { TidyUpAndSaySo(); });
}

void Housekeeper::TidyUpAndSaySo() {
  const absl::StatusOr<Removed> removed = TidyUp();
  if (!removed.ok()) {
    LogError("not-tidied-up", {{"reason", std::string(removed.status().message())}});
  } else if (removed->jobs + removed->artifacts + removed->uploads > 0) {
    LogInfo("tidied-up", {{"jobs", absl::StrCat(removed->jobs)},
                          {"artifacts", absl::StrCat(removed->artifacts)},
                          {"uploads", absl::StrCat(removed->uploads)}});
  }
}

absl::StatusOr<Housekeeper::Removed> Housekeeper::TidyUp() {
  Removed removed;
  if (ClockWasSet()) {
    LogWarning("clock-was-set");
    return removed;
  }
  const absl::Time now = context_.clock.Now();
  absl::Status status = RemoveJobs(now, removed);
  if (status.ok()) status = RemoveArtifacts(now, removed);
  if (!status.ok()) return status;
  return removed;
}

bool Housekeeper::ClockWasSet() {
  const absl::Duration offset = context_.clock.Now() - context_.clock.Steady();
  const std::optional<absl::Duration> before = std::exchange(clock_offset_, offset);
  return before && absl::AbsDuration(offset - *before) > kSameClock;
}

absl::Status Housekeeper::RemoveJobs(absl::Time now, Removed& removed) {
  if (options_.keep_finished_jobs <= absl::ZeroDuration()) return absl::OkStatus();
  for (;;) {
    const auto ids = context_.store.ListFinished(now - options_.keep_finished_jobs, kJobsAtOnce);
    if (!ids.ok() || ids->empty()) return ids.status();
    for (const std::string& id : *ids) {
      const absl::Status status = context_.manager.Delete(Caller(), "jobs/" + id);
      // Somebody may have deleted it, or retried it, in between.
      if (!status.ok() && !absl::IsNotFound(status) && !absl::IsFailedPrecondition(status)) return status;
      removed.jobs += status.ok();
    }
  }
}

absl::Status Housekeeper::RemoveArtifacts(absl::Time now, Removed& removed) {
  if (options_.keep_uploads <= absl::ZeroDuration()) return absl::OkStatus();
  for (const std::string& tenant : context_.artifacts.Tenants()) {
    const absl::Status status = RemoveArtifactsOf(tenant, now - options_.keep_uploads, removed);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Housekeeper::RemoveArtifactsOf(const std::string& tenant, absl::Time before, Removed& removed) {
  const absl::StatusOr<ArtifactStore*> artifacts = context_.artifacts.Of(tenant);
  if (!artifacts.ok()) return artifacts.status();
  const absl::StatusOr<int> uploads = (*artifacts)->RemoveStaleUploads(before);
  if (!uploads.ok()) return uploads.status();
  removed.uploads += *uploads;
  const absl::StatusOr<std::vector<std::string>> unused = (*artifacts)->ListUnused(before);
  if (!unused.ok()) return unused.status();
  for (const std::string& sha256 : *unused) {
    // One at a time: who wants to add a reference waits for one look and one removal at most.
    const auto deleting = context_.references.Deleting();
    const auto unreferenced = context_.store.FindUnreferenced(tenant, {sha256});
    if (!unreferenced.ok()) return unreferenced.status();
    if (unreferenced->empty()) continue;
    const absl::Status status = (*artifacts)->Delete(sha256);
    if (!status.ok() && !absl::IsNotFound(status)) return status;
    removed.artifacts += status.ok();
  }
  return absl::OkStatus();
}

}  // namespace kprune
