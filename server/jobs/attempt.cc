#include "server/jobs/attempt.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kprune/trace_parent.h"
#include "server/jobs/job_checks.h"
#include "server/log.h"

namespace kprune {
namespace {

// How long one look at the worker lasts: what a stop or a heartbeat may be late.
constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr absl::Duration kBetweenMeasurements = absl::Seconds(1);
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
  const LogScope scope({{"job", job_.id}, {"trace_id", std::string(TraceIdOf(job_.input.trace_parent))}});
  LogInfo("attempt-started", {{"job", job_.id}, {"attempt", absl::StrCat(job_.attempt)}, {"device", device}});
  context_.metrics.OnAttemptStarted(job_.attempt,
                                    absl::ToDoubleSeconds(context_.clock.Now() - job_.create_time));
  const absl::StatusOr<ArtifactStore*> artifacts = context_.artifacts.Of(job_.tenant);
  if (!artifacts.ok()) return RecordFailure(artifacts.status());
  artifacts_ = *artifacts;
  if (absl::Status status = TakeModelIn(); !status.ok()) return EndWithoutModel(status);
  if (absl::Status status = VerifyArtifacts(job_.input, *artifacts_); !status.ok())
    return RecordFailure(status);
  {
    absl::StatusOr<JobDirectory> directory = LayOut();
    if (directory.ok()) {
      GoOnFromWhatIsKept(device);
      if (leave_directory_) directory->Leave();
    } else if (stop_reason() == StopReason::kCancelled) {
      Discard();
    } else if (stop_reason() == StopReason::kDrained) {
      Requeue();
    } else if (MayPass(directory.status())) {
      RecordCrash(directory.status(), "job-without-room");
    } else {
      RecordFailure(directory.status());
    }
  }
  std::error_code ignored;  // a checkpoint or the next attempt's directory may be there
  std::filesystem::remove(directory_.parent_path(), ignored);
}

absl::StatusOr<JobDirectory> Attempt::LayOut() {
  absl::StatusOr<JobDirectory> directory;
  const absl::Status made = Persist("lay-out", [&] {
    directory = JobDirectory::LayOut(directory_, "prune", job_.input, *artifacts_, "jobs/" + job_.id);
    return absl::IsInternal(directory.status()) ? directory.status() : absl::OkStatus();
  });
  if (!made.ok()) return made;
  return directory;
}

void Attempt::GoOnFromWhatIsKept(const std::string& device) {
  const CheckpointKeeper::Given given = checkpoints_.Give(job_.id, directory_);
  if (given.checkpoint) LogInfo("checkpoint-given", {{"job", job_.id}});
  if (!given.result) return RunWorker(device);
  LogInfo("result-given", {{"job", job_.id}});
  Publish();
}

absl::Status Attempt::TakeModelIn() {
  if (job_.input.model_uri.empty() || !job_.input.model.empty()) return absl::OkStatus();
  if (context_.intake == nullptr)
    return absl::PermissionDeniedError(
        "This server fetches no models (any more); upload the model's folder.");
  const std::filesystem::path folder = directory_.parent_path() / absl::StrCat("fetched-", job_.attempt);
  work_begins_ = kFetchShare;
  return context_.intake->Run(
      lease_, folder, [this] { return GoesOn(); }, *artifacts_, job_.input);
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
  kill_at_ = context_.clock.Steady() + options_.grace_period;
  if (worker_ != nullptr) worker_->Terminate();
  stopped_.notify_all();
}

bool Attempt::IsEndingEarly() const {
  const absl::StatusOr<JobRecord> job = context_.store.Get(job_.id);
  return job.ok() && job->ending_early;
}

void Attempt::EndEarly() {
  const absl::Status asked = JobDirectory::AskToEndEarly(directory_);
  // The worker then goes on to the end, and the whole model is the result.
  if (!asked.ok())
    LogError("end-early-failed", {{"job", lease_.job_id}, {"reason", std::string(asked.message())}});
}

void Attempt::RunWorker(const std::string& device) {
  if (job_.attempt > 1) ReadToldSublayers();
  // Asked for before there was a directory.
  if (IsEndingEarly()) EndEarly();
  auto launched = context_.launcher.Launch({directory_, device});
  if (!launched.ok()) return RecordCrash(launched.status());
  WorkerProcess& worker = **launched;
  {
    std::lock_guard lock(mutex_);
    worker_ = &worker;
    if (stop_) worker.Terminate();
  }
  context_.metrics.OnWorkerStarted(device, job_.attempt);
  Holds(context_.store.SetWorker(lease_, worker.identity()));
  const WorkerExitStatus exit = FollowWorker(worker);
  {
    std::lock_guard lock(mutex_);
    worker_ = nullptr;
  }
  HandleExit(exit, [&](const char* reason) { context_.metrics.OnWorkerExit(device, reason); });
}

WorkerExitStatus Attempt::FollowWorker(WorkerProcess& worker) {
  const absl::Time start = context_.clock.Steady();
  next_heartbeat_ = start + options_.heartbeat_interval;
  WorkerWatch watch(options_.limits, start);
  std::optional<WorkerExitStatus> exit;
  for (;;) {
    const ProgressRead read = worker.ReadProgress(kTick);
    if (read.kind == ProgressRead::Kind::kClosed) break;
    HandleProgress(read);
    if (read.kind != ProgressRead::Kind::kTimeout) watch.Heard(context_.clock.Steady());
    if (read.kind == ProgressRead::Kind::kTimeout) {
      if (exit) break;  // ended and heard out; somebody else holds its pipe open
      exit = worker.Wait(absl::ZeroDuration());
    }
    Watch(worker, watch);
  }
  {
    // Without its pipe it is ending, or hangs.
    std::lock_guard lock(mutex_);
    kill_at_ = std::min(kill_at_, context_.clock.Steady() + options_.grace_period);
  }
  while (!(exit = worker.Wait(kTick))) Watch(worker, watch);
  return *exit;
}

void Attempt::RenewLease() {
  const absl::Time now = context_.clock.Steady();
  if (now < next_heartbeat_) return;
  next_heartbeat_ = now + options_.heartbeat_interval;
  Holds(context_.store.Heartbeat(lease_, context_.clock.Now()));
}

void Attempt::Watch(WorkerProcess& worker, WorkerWatch& watch) {
  const absl::Time now = context_.clock.Steady();
  RenewLease();
  if (lease_lost_) Stop(StopReason::kCancelled);
  if (!breach_ && now >= next_measurement_) {
    next_measurement_ = now + kBetweenMeasurements;
    const std::optional<WorkerUsage> usage = worker.Usage();
    const int64_t scratch_bytes = options_.limits.scratch_bytes > 0 ? ScratchBytes(directory_) : 0;
    if (usage) breach_ = watch.Check(now, *usage, scratch_bytes);
    if (breach_) worker.Kill();
  }
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
  if (line->sublayer) {
    if (told_sublayers_.contains(line->payload_json)) return;
    context_.metrics.OnSublayerPruned(line->sublayer->kind, line->sublayer->solver,
                                      line->sublayer->seconds());
    phases_.OnSublayer(*line->sublayer);
  }
  if (line->stage) phases_.OnStage(*line->stage, context_.clock.Steady());
  if (line->is_out_of_memory) context_.metrics.OnOutOfMemoryRetry();
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

void Attempt::ReadToldSublayers() {
  for (int64_t last = 0;;) {
    const absl::StatusOr<EventBatch> batch = context_.store.ReadEvents(job_.id, last, kEventsPerRead);
    if (!Holds(batch.status()) || batch->events.empty()) return;
    for (const JobEvent& event : batch->events) {
      const absl::StatusOr<ProgressLine> line = ParseProgressLine(event.payload_json);
      if (line.ok() && line->sublayer) told_sublayers_.insert(event.payload_json);
    }
    last = batch->events.back().sequence;
  }
}

void Attempt::AppendEvent(const std::string& payload_json, std::optional<double> progress) {
  if (lease_lost_) return;
  Holds(Persist("event", [&] {
    return context_.store.AppendEvent(lease_, payload_json, progress, context_.clock.Now());
  }));
}

}  // namespace kprune
