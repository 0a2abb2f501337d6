#include "server/jobs/attempt.h"

#include <signal.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "kprune/worker_protocol.h"
#include "server/jobs/job_checks.h"
#include "server/jobs/job_error.h"
#include "server/jobs/worker_outcome.h"
#include "server/log.h"

namespace kprune {
namespace {

// How long one look at the worker lasts: what a stop or a heartbeat may be late.
constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr int kLoggedBadLines = 5;
constexpr int kEventsPerRead = 1000;

}  // namespace

Attempt::Attempt(const SupervisorContext& context, const SupervisorOptions& options,
                 const CheckpointKeeper& checkpoints, const JobRecord& job)
    : context_(context),
      options_(options),
      checkpoints_(checkpoints),
      lease_{job.id, job.lease_epoch},
      directory_(checkpoints.AttemptDirectory(job.id, job.attempt)),
      job_(job) {}

void Attempt::Run(const std::string& device) {
  LogInfo("attempt-started", {{"job", job_.id}, {"attempt", absl::StrCat(job_.attempt)}, {"device", device}});
  if (absl::Status status = TakeModelIn(); !status.ok()) return EndWithoutModel(status);
  if (absl::Status status = VerifyArtifacts(job_.input, context_.artifacts); !status.ok())
    return RecordFailure(status);
  {
    absl::StatusOr<JobDirectory> directory =
        JobDirectory::LayOut(directory_, "prune", job_.input, context_.artifacts, "jobs/" + job_.id);
    if (directory.ok()) {
      if (checkpoints_.Give(job_.id, directory_)) LogInfo("checkpoint-given", {{"job", job_.id}});
      RunWorker(device);
    } else if (absl::IsInternal(directory.status())) {
      RecordCrash(directory.status());
    } else {
      RecordFailure(directory.status());
    }
  }
  std::error_code ignored;  // a checkpoint or the next attempt's directory may be there
  std::filesystem::remove(directory_.parent_path(), ignored);
}

absl::Status Attempt::TakeModelIn() {
  if (job_.input.model_uri.empty() || !job_.input.model.empty()) return absl::OkStatus();
  if (context_.intake == nullptr)
    return absl::PermissionDeniedError(
        "This server fetches no models (any more); upload the model's folder.");
  const std::filesystem::path folder = directory_.parent_path() / absl::StrCat("fetched-", job_.attempt);
  work_begins_ = kFetchShare;
  return context_.intake->Run(
      lease_, folder, [this] { return GoesOn(); }, job_.input);
}

bool Attempt::GoesOn() {
  RenewLease();
  return !lease_lost_ && !stop_reason();
}

void Attempt::EndWithoutModel(const absl::Status& reason) {
  Holds(absl::IsAborted(reason) ? reason : absl::OkStatus());
  if (lease_lost_ || stop_reason() == StopReason::kCancelled) {
    Discard();
  } else if (absl::IsCancelled(reason) && stop_reason() == StopReason::kDrained) {
    Requeue();
  } else {
    RecordFailure(reason);
  }
  std::error_code ignored;  // there is more in it
  std::filesystem::remove(directory_.parent_path(), ignored);
}

std::optional<Attempt::StopReason> Attempt::stop_reason() {
  std::lock_guard lock(mutex_);
  return stop_;
}

void Attempt::Stop(StopReason reason) {
  std::lock_guard lock(mutex_);
  if (stop_) return;
  stop_ = reason;
  kill_at_ = context_.clock.Now() + options_.grace_period;
  if (worker_ != nullptr) worker_->Terminate();
}

void Attempt::RunWorker(const std::string& device) {
  if (job_.attempt > 1) ReadToldSublayers();
  auto launched = context_.launcher.Launch({directory_, device});
  if (!launched.ok()) return RecordCrash(launched.status());
  WorkerProcess& worker = **launched;
  {
    std::lock_guard lock(mutex_);
    worker_ = &worker;
    if (stop_) worker.Terminate();
  }
  Holds(context_.store.SetWorker(lease_, worker.identity()));
  const WorkerExitStatus exit = FollowWorker(worker);
  {
    std::lock_guard lock(mutex_);
    worker_ = nullptr;
  }
  HandleExit(exit);
}

WorkerExitStatus Attempt::FollowWorker(WorkerProcess& worker) {
  next_heartbeat_ = context_.clock.Now() + options_.heartbeat_interval;
  std::optional<WorkerExitStatus> exit;
  for (;;) {
    const ProgressRead read = worker.ReadProgress(kTick);
    if (read.kind == ProgressRead::Kind::kClosed) break;
    HandleProgress(read);
    if (read.kind == ProgressRead::Kind::kTimeout) {
      if (exit) break;  // ended and heard out; somebody else holds its pipe open
      exit = worker.Wait(absl::ZeroDuration());
    }
    Watch(worker);
  }
  {
    // Without its pipe it is ending, or hangs.
    std::lock_guard lock(mutex_);
    kill_at_ = std::min(kill_at_, context_.clock.Now() + options_.grace_period);
  }
  while (!(exit = worker.Wait(kTick))) Watch(worker);
  return *exit;
}

void Attempt::RenewLease() {
  const absl::Time now = context_.clock.Now();
  if (now < next_heartbeat_) return;
  next_heartbeat_ = now + options_.heartbeat_interval;
  Holds(context_.store.Heartbeat(lease_, now));
}

void Attempt::Watch(WorkerProcess& worker) {
  const absl::Time now = context_.clock.Now();
  RenewLease();
  if (lease_lost_) Stop(StopReason::kCancelled);
  std::lock_guard lock(mutex_);
  if (now >= kill_at_) worker.Kill();
}

void Attempt::HandleProgress(const ProgressRead& read) {
  if (read.kind == ProgressRead::Kind::kTooLong) {
    RejectLine(absl::StrCat("it is longer than ", kMaxProgressLineBytes, " bytes"));
  }
  if (read.kind == ProgressRead::Kind::kLine) HandleLine(read.line);
}

void Attempt::HandleLine(const std::string& text) {
  absl::StatusOr<ProgressLine> line = ParseProgressLine(text, work_begins_);
  if (!line.ok()) return RejectLine(std::string(line.status().message()));
  if (line->sublayer_kind) {
    if (told_sublayers_.contains(line->payload_json)) return;
    context_.metrics.OnSublayerPruned(*line->sublayer_kind, line->sublayer_seconds);
  }
  ++events_;
  if (events_ <= options_.max_events) return AppendEvent(line->payload_json, line->fraction);
  if (events_ > options_.max_events + 1) return;
  AppendEvent(WarningPayload(absl::StrCat("The worker sent more than ", options_.max_events,
                                          " events; later ones are not recorded.")),
              std::nullopt);
}

void Attempt::RejectLine(const std::string& reason) {
  if (++bad_lines_ > kLoggedBadLines) return;
  LogWarning("bad-progress-line", {{"job", job_.id}, {"reason", reason}});
}

void Attempt::HandleExit(const WorkerExitStatus& exit) {
  if (bad_lines_ > 0)
    LogWarning("bad-progress-lines", {{"job", job_.id}, {"count", absl::StrCat(bad_lines_)}});
  const std::optional<StopReason> stop = stop_reason();
  const int status = exit.signalled ? -1 : exit.value;
  if (stop == StopReason::kCancelled) {
    context_.metrics.OnWorkerExit("cancelled");
    Discard();
  } else if (status == kWorkerSucceeded) {
    context_.metrics.OnWorkerExit("succeeded");
    Publish();
  } else if (status == kWorkerFailed) {
    context_.metrics.OnWorkerExit("failed");
    RecordFailure(ReadWorkerError(directory_));
  } else if (stop == StopReason::kDrained) {
    context_.metrics.OnWorkerExit("drained");
    Requeue();
  } else {
    context_.metrics.OnWorkerExit(exit.signalled && exit.value == SIGKILL ? "killed" : "crashed");
    RecordCrash(DescribeCrash(exit, directory_));
  }
}

void Attempt::Publish() {
  // No deletion may come between storing a file and the job that refers to it.
  const auto adding = context_.references.AddingReferences();
  absl::StatusOr<CollectedResult> result = CollectResult(directory_, context_.artifacts);
  if (!result.ok()) return RecordFailure(result.status());
  for (const std::string& name : result->ignored) {
    AppendEvent(WarningPayload(absl::StrCat("The worker also wrote ", name,
                                            ", which is not on the list of result files and was dropped.")),
                std::nullopt);
  }
  if (Holds(context_.store.Succeed(lease_, result->files, context_.clock.Now())))
    Finished(JobState::kSucceeded);
}

void Attempt::RecordFailure(const absl::Status& failure) {
  if (Holds(context_.store.Fail(lease_, ToJobError(failure), context_.clock.Now())))
    Finished(JobState::kFailed);
}

void Attempt::RecordCrash(const absl::Status& crash) {
  LogWarning("worker-crashed", {{"job", job_.id}, {"reason", std::string(crash.message())}});
  checkpoints_.Keep(job_.id, directory_);  // before another attempt can begin
  absl::StatusOr<JobState> state =
      context_.store.RecordCrash(lease_, ToJobError(crash), context_.clock.Now());
  if (Holds(state.status()) && *state == JobState::kFailed) Finished(JobState::kFailed);
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

void Attempt::ReadToldSublayers() {
  for (int64_t last = 0;;) {
    const absl::StatusOr<EventBatch> batch = context_.store.ReadEvents(job_.id, last, kEventsPerRead);
    if (!Holds(batch.status()) || batch->events.empty()) return;
    for (const JobEvent& event : batch->events) {
      const absl::StatusOr<ProgressLine> line = ParseProgressLine(event.payload_json);
      if (line.ok() && line->sublayer_kind) told_sublayers_.insert(event.payload_json);
    }
    last = batch->events.back().sequence;
  }
}

void Attempt::AppendEvent(const std::string& payload_json, std::optional<double> progress) {
  if (lease_lost_) return;
  Holds(context_.store.AppendEvent(lease_, payload_json, progress, context_.clock.Now()));
}

bool Attempt::Holds(const absl::Status& status) {
  if (absl::IsAborted(status)) lease_lost_ = true;
  if (!status.ok() && !absl::IsAborted(status)) {
    LogError("job-store-failed", {{"job", job_.id}, {"reason", std::string(status.message())}});
  }
  return status.ok();
}

void Attempt::Finished(JobState state) {
  checkpoints_.Drop(job_.id);
  const double seconds = absl::ToDoubleSeconds(context_.clock.Now() - job_.create_time);
  context_.metrics.OnJobFinished(JobStateName(state), seconds);
  LogInfo("job-finished", {{"job", job_.id}, {"state", std::string(JobStateName(state))}});
}

}  // namespace kprune
