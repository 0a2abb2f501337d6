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
  const absl::StatusOr<Tidied> tidied = TidyUp();
  if (!tidied.ok()) {
    LogError("not-tidied-up", {{"reason", std::string(tidied.status().message())}});
  } else if (tidied->jobs + tidied->artifacts + tidied->uploads > 0) {
    LogInfo("tidied-up", {{"jobs", absl::StrCat(tidied->jobs)},
                          {"artifacts", absl::StrCat(tidied->artifacts)},
                          {"uploads", absl::StrCat(tidied->uploads)}});
  }
}

absl::StatusOr<Housekeeper::Tidied> Housekeeper::TidyUp() {
  Tidied tidied;
  if (ClockWasSet()) {
    LogWarning("clock-was-set");
    return tidied;
  }
  const absl::Time now = context_.clock.Now();
  absl::Status status = RemoveJobs(now, tidied);
  if (status.ok()) status = RemoveArtifacts(now, tidied);
  if (status.ok()) status = RenewArtifacts(tidied);
  if (!status.ok()) return status;
  return tidied;
}

bool Housekeeper::ClockWasSet() {
  const absl::Duration offset = context_.clock.Now() - context_.clock.Steady();
  const std::optional<absl::Duration> before = std::exchange(clock_offset_, offset);
  return before && absl::AbsDuration(offset - *before) > kSameClock;
}

absl::Status Housekeeper::RemoveJobs(absl::Time now, Tidied& tidied) {
  if (options_.keep_finished_jobs <= absl::ZeroDuration()) return absl::OkStatus();
  for (;;) {
    const auto ids = context_.store.ListFinished(now - options_.keep_finished_jobs, kJobsAtOnce);
    if (!ids.ok() || ids->empty()) return ids.status();
    for (const std::string& id : *ids) {
      const absl::Status status = context_.manager.Delete(Caller(), "jobs/" + id);
      // Somebody may have deleted it, or retried it, in between.
      if (!status.ok() && !absl::IsNotFound(status) && !absl::IsFailedPrecondition(status)) return status;
      tidied.jobs += status.ok();
    }
  }
}

absl::Status Housekeeper::RemoveArtifacts(absl::Time now, Tidied& tidied) {
  if (options_.keep_uploads <= absl::ZeroDuration()) return absl::OkStatus();
  for (const std::string& tenant : context_.artifacts.Tenants()) {
    const absl::Status status = RemoveArtifactsOf(tenant, now - options_.keep_uploads, tidied);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Housekeeper::RemoveArtifactsOf(const std::string& tenant, absl::Time before, Tidied& tidied) {
  const absl::StatusOr<ArtifactStore*> artifacts = context_.artifacts.Of(tenant);
  if (!artifacts.ok()) return artifacts.status();
  const absl::StatusOr<int> uploads = (*artifacts)->RemoveStaleUploads(before);
  if (!uploads.ok()) return uploads.status();
  tidied.uploads += *uploads;
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
    tidied.artifacts += status.ok();
  }
  return absl::OkStatus();
}

absl::Status Housekeeper::RenewArtifacts(Tidied& tidied) {
  if (all_renewed_) return absl::OkStatus();
  absl::Status status;
  for (const std::string& tenant : context_.artifacts.Tenants())
    status.Update(RenewArtifactsOf(tenant, tidied));
  if (!status.ok()) return status;
  all_renewed_ = !stopping_;
  if (all_renewed_ && tidied.renewed > 0)
    LogInfo("artifacts-renewed", {{"artifacts", absl::StrCat(tidied.renewed)}});
  return absl::OkStatus();
}

absl::Status Housekeeper::RenewArtifactsOf(const std::string& tenant, Tidied& tidied) {
  const absl::StatusOr<ArtifactStore*> artifacts = context_.artifacts.Of(tenant);
  if (!artifacts.ok()) return artifacts.status();
  const absl::StatusOr<std::vector<std::string>> outdated = (*artifacts)->ListOutdated();
  if (!outdated.ok()) return outdated.status();
  absl::Status failed;  // the first one: one that cannot be read keeps no other from being renewed
  for (const std::string& sha256 : *outdated) {
    if (stopping_) break;
    const absl::Status status = (*artifacts)->Renew(sha256);
    // Deleted meanwhile, or damaged, which the store has said and set aside.
    if (!absl::IsNotFound(status) && !absl::IsDataLoss(status)) failed.Update(status);
    tidied.renewed += status.ok();
  }
  return failed;
}

}  // namespace kprune
