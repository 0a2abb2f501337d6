// How an attempt ends: what the worker left becomes the job's next state.
#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kprune/worker_protocol.h"
#include "server/jobs/attempt.h"
#include "server/jobs/job_error.h"
#include "server/jobs/report_figures.h"
#include "server/jobs/worker_outcome.h"
#include "server/log.h"

namespace kprune {
namespace {

constexpr absl::Duration kLongestStoreRetry = absl::Seconds(30);

}  // namespace

bool Attempt::MayPass(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status) || absl::IsUnknown(status);
}

void Attempt::HandleExit(const WorkerExitStatus& exit,
                         const std::function<void(const char* reason)>& exited) {
  if (bad_lines_ > 0)
    LogWarning("bad-progress-lines", {{"job", job_.id}, {"count", absl::StrCat(bad_lines_)}});
  const std::optional<StopReason> stop = stop_reason();
  const int status = exit.signalled ? -1 : exit.value;
  if (stop == StopReason::kCancelled) {
    exited("cancelled");
    Discard();
  } else if (breach_ && status != kWorkerSucceeded) {
    exited("killed");
    breach_->is_crash ? RecordCrash(breach_->why) : RecordFailure(breach_->why);
  } else if (status == kWorkerSucceeded) {
    exited("succeeded");
    TellPhases();
    Publish();
  } else if (status == kWorkerFailed) {
    exited("failed");
    RecordFailure(ReadWorkerError(directory_));
  } else if (status == kWorkerCancelled && !stop && IsEndingEarly()) {
    exited("cancelled");
    EndWithoutResult();
  } else if (stop == StopReason::kDrained) {
    exited("drained");
    Requeue();
  } else {
    exited(exit.signalled && exit.value == SIGKILL ? "killed" : "crashed");
    RecordCrash(DescribeCrash(exit, directory_));
  }
}

absl::Status Attempt::Persist(const char* what, const std::function<absl::Status()>& write) {
  absl::Duration pause = options_.first_store_retry;
  for (;;) {
    const absl::Status status = write();
    if (status.ok() || absl::IsAborted(status) || absl::IsNotFound(status)) return status;
    LogError("job-store-failed",
             {{"job", job_.id}, {"what", what}, {"reason", std::string(status.message())}});
    std::unique_lock lock(mutex_);
    const absl::Time deadline = context_.clock.Steady() + pause;
    while (!stop_ && context_.clock.Steady() < deadline) {
      context_.clock.WaitUntil(lock, stopped_, deadline);
    }
    if (stop_) return status;
    pause = std::min(2 * pause, kLongestStoreRetry);
  }
}

void Attempt::Publish() {
  absl::Status refused;
  bool told = false;
  JobState state = JobState::kSucceeded;
  Manifest files;
  const absl::Status published = Persist("publish", [&] {
    // No deletion may come between storing a file and the job that refers to it.
    const auto adding = context_.references.AddingReferences();
    absl::StatusOr<CollectedResult> result = CollectResult(directory_, *artifacts_);
    if (!result.ok() && MayPass(result.status())) return result.status();
    refused = result.status();
    if (!result.ok()) return absl::OkStatus();
    absl::Status status = told ? absl::OkStatus() : TellIgnored(result->ignored);
    told = status.ok();
    if (!status.ok()) return status;
    const absl::StatusOr<JobState> ended =
        context_.store.Succeed(lease_, result->files, context_.clock.Now());
    if (ended.ok()) state = *ended;
    files = std::move(result->files);
    return ended.status();
  });
  if (!refused.ok()) return RecordFailure(refused);
  if (Holds(published)) {
    for (const ReportFigures& figures : ReadReportFigures(directory_, files))
      context_.metrics.OnModelPublished(figures);
    return Finished(state, state == JobState::kSucceeded ? "OK" : "CANCELLED");
  }
  // The next server finds the job running, and its result here.
  leave_directory_ = !lease_lost_ && stop_reason() == StopReason::kDrained;
}

absl::Status Attempt::TellIgnored(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::string payload = WarningPayload(absl::StrCat(
        "The worker also wrote ", name, ", which is not on the list of result files and was dropped."));
    absl::Status told = context_.store.AppendEvent(lease_, payload, std::nullopt, context_.clock.Now());
    if (!told.ok()) return told;
  }
  return absl::OkStatus();
}

void Attempt::EndWithoutResult() {
  AppendEvent(
      WarningPayload("Nothing of the job was finished when it was ended: there is no partial result."),
      std::nullopt);
  const absl::Status recorded =
      Persist("end", [&] { return context_.store.Succeed(lease_, {}, context_.clock.Now()).status(); });
  if (Holds(recorded)) Finished(JobState::kCancelled, "CANCELLED");
}

void Attempt::RecordFailure(const absl::Status& failure) {
  const absl::Status recorded =
      Persist("fail", [&] { return context_.store.Fail(lease_, ToJobError(failure), context_.clock.Now()); });
  if (Holds(recorded)) Finished(JobState::kFailed, ToJobError(failure).code);
}

void Attempt::RecordCrash(const absl::Status& crash, const char* event) {
  LogWarning(event, {{"job", job_.id}, {"reason", std::string(crash.message())}});
  checkpoints_.Keep(job_.id, directory_);  // before another attempt can begin
  JobState state = JobState::kRetryWait;
  const absl::Status recorded = Persist("crash", [&] {
    const absl::StatusOr<JobState> next =
        context_.store.RecordCrash(lease_, ToJobError(crash), context_.clock.Now());
    if (next.ok()) state = *next;
    return next.status();
  });
  if (Holds(recorded) && state == JobState::kFailed) Finished(JobState::kFailed, ToJobError(crash).code);
  if (lease_lost_) checkpoints_.Drop(job_.id);
}

void Attempt::Requeue() {
  checkpoints_.Keep(job_.id, directory_);  // before another attempt can begin
  if (Holds(context_.store.Requeue(lease_, context_.clock.Now())))
    LogInfo("job-requeued", {{"job", job_.id}});
  if (lease_lost_) checkpoints_.Drop(job_.id);
}

void Attempt::Discard() {
  // The lease is gone, unless the job was cancelled and retried while the cancellation was on its way here.
  if (!lease_lost_ && Holds(context_.store.Heartbeat(lease_, context_.clock.Now()))) Requeue();
  LogInfo("attempt-discarded", {{"job", job_.id}, {"attempt", absl::StrCat(job_.attempt)}});
}

bool Attempt::Holds(const absl::Status& status) {
  if (absl::IsAborted(status)) {
    lease_lost_ = true;
    context_.metrics.OnFencedWrite();
  }
  if (!status.ok() && !absl::IsAborted(status)) {
    LogError("job-store-failed", {{"job", job_.id}, {"reason", std::string(status.message())}});
  }
  return status.ok();
}

void Attempt::TellPhases() {
  const auto seconds = phases_.End(context_.clock.Steady());
  for (size_t phase = 0; phase < seconds.size(); ++phase) {
    if (seconds[phase]) context_.metrics.OnPhase(static_cast<Stage>(phase), *seconds[phase]);
  }
}

void Attempt::Finished(JobState state, std::string_view code) {
  checkpoints_.Drop(job_.id);
  const double seconds = absl::ToDoubleSeconds(context_.clock.Now() - job_.create_time);
  context_.metrics.OnJobFinished(JobStateName(state), code, seconds);
  LogInfo("job-finished", {{"job", job_.id}, {"state", std::string(JobStateName(state))}});
}

}  // namespace kprune
