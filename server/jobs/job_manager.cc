#include "server/jobs/job_manager.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kprune/trace_parent.h"
#include "nlohmann/json.hpp"
#include "server/jobs/job_checks.h"
#include "server/jobs/job_transitions.h"
#include "server/log.h"
#include "server/quota.h"

namespace kprune {
namespace {

constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 1000;
constexpr size_t kMaxIdBytes = 64;
constexpr char kNotChecked[] =
    "The model is fetched when the job starts: whether it is there and can be pruned, whether the samples "
    "and options "
    "fit it, and what the job will take, was not checked.";

bool IsJobId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

// Which jobs the caller is to get: JobManager::List.
absl::StatusOr<std::string> TenantToList(const Caller& caller, const std::string& asked) {
  if (asked.empty() || asked == caller.tenant) return caller.tenant;
  if (caller.role != Role::kAdmin) {
    return absl::PermissionDeniedError(
        absl::StrCat("Only an admin lists the jobs of other tenants; leave tenant empty for those of ",
                     caller.tenant, "."));
  }
  if (asked == kAllTenants) return std::string();
  if (IsTenantName(asked)) return asked;
  return absl::InvalidArgumentError(absl::StrCat("tenant \"", absl::CHexEscape(asked.substr(0, 64)),
                                                 "\" is no tenant's name; accepted are at most 63 of a to z, "
                                                 "0 to 9 and -, or - alone for the jobs of all tenants."));
}

// What happened to `job`, with the trace of the call that asked for it.
void Log(std::string_view event, const JobRecord& job) {
  const LogScope scope({{"trace_id", std::string(TraceIdOf(job.input.trace_parent))}});
  LogInfo(event, {{"job", job.id}, {"tenant", job.tenant}});
}

}  // namespace

absl::StatusOr<std::string> ParseJobName(std::string_view name) {
  constexpr std::string_view kPrefix = "jobs/";
  if (name.starts_with(kPrefix) && IsJobId(name.substr(kPrefix.size()))) {
    return std::string(name.substr(kPrefix.size()));
  }
  return absl::InvalidArgumentError(absl::StrCat("name \"",
                                                 absl::CHexEscape(std::string(name.substr(0, 128))),
                                                 "\" is no job's name; accepted is jobs/ID with the ID that "
                                                 "CreateJob returned."));
}

JobManager::JobManager(JobManagerContext context, JobManagerOptions options)
    : context_(context), options_(std::move(options)) {}

absl::Status JobManager::CheckAccepting() const {
  if (accepting_) return absl::OkStatus();
  return absl::UnavailableError("This server is shutting down; try again in a minute.");
}

absl::Status JobManager::Told(absl::Status status) const {
  if (const std::optional<std::string> quota = RefusedQuota(status)) context_.metrics.OnQuotaRefused(*quota);
  return status;
}

absl::StatusOr<std::string> JobManager::CheckUri(const std::string& uri) const {
  if (context_.intake == nullptr)
    return absl::PermissionDeniedError(
        "spec.model_uri is refused: this server fetches no models; upload the model's folder.");
  if (absl::Status allowed = context_.intake->Check(uri); !allowed.ok()) return allowed;
  return nlohmann::json{{"not_checked", kNotChecked}}.dump();
}

absl::StatusOr<JobRecord> JobManager::Validate(const Caller& caller, const JobInput& input) {
  absl::Status status = CheckAccepting();
  if (status.ok()) status = CheckInput(input, options_.max_files, options_.devices);
  if (!status.ok()) return status;
  const absl::StatusOr<ArtifactStore*> artifacts = context_.artifacts.Of(caller.tenant);
  status = artifacts.ok() ? CheckArtifacts(input, **artifacts) : artifacts.status();
  if (!status.ok()) return status;
  absl::StatusOr<std::string> preflight =
      input.model_uri.empty() ? context_.preflight.Run(input, **artifacts) : CheckUri(input.model_uri);
  if (!preflight.ok()) return preflight.status();
  JobRecord record;
  record.tenant = caller.tenant;
  record.input = input;
  record.preflight_json = *std::move(preflight);
  return record;
}

absl::StatusOr<JobRecord> JobManager::Create(const Caller& caller, const JobInput& input,
                                             std::string_view request_id) {
  absl::Status status = CheckAccepting();
  if (status.ok()) status = CheckRequestId(request_id);
  if (!status.ok()) return status;
  // A repeated call is answered at once.
  auto earlier = context_.store.FindByRequestId(caller.tenant, request_id, input);
  if (!earlier.ok()) return earlier.status();
  if (*earlier) return **std::move(earlier);
  absl::StatusOr<JobRecord> checked = Validate(caller, input);
  if (!checked.ok()) return checked.status();

  const auto adding = context_.references.AddingReferences();
  // The preflight took a while: an artifact may have been deleted, the server may be draining.
  status = CheckAccepting();
  if (!status.ok()) return status;
  const absl::StatusOr<ArtifactStore*> artifacts = context_.artifacts.Of(caller.tenant);
  status = artifacts.ok() ? CheckArtifacts(input, **artifacts) : artifacts.status();
  if (!status.ok()) return status;
  absl::StatusOr<CreateResult> created = context_.store.Create(
      {input, std::string(request_id), std::move(checked->preflight_json), caller.tenant},
      context_.clock.Now());
  if (!created.ok()) return Told(created.status());
  if (created->created) Log("job-created", created->job);
  return std::move(created->job);
}

absl::StatusOr<JobRecord> JobManager::Get(const Caller& caller, std::string_view name) {
  absl::StatusOr<std::string> id = ParseJobName(name);
  if (!id.ok()) return id.status();
  absl::StatusOr<JobRecord> job = context_.store.Get(*id);
  if (job.ok() && !caller.Sees(job->tenant)) return JobNotFound(*id);
  return job;
}

absl::StatusOr<JobRecord> JobManager::Cancel(const Caller& caller, std::string_view name) {
  const absl::StatusOr<JobRecord> job = Get(caller, name);
  if (!job.ok()) return job.status();
  absl::StatusOr<JobRecord> cancelled = context_.store.Cancel(job->id, context_.clock.Now());
  if (cancelled.ok()) TellCancelled(*cancelled);
  return cancelled;
}

void JobManager::TellCancelled(const JobRecord& job) {
  context_.supervisor.OnJobCancelled(job.id);
  context_.metrics.OnJobFinished(JobStateName(job.state), "CANCELLED",
                                 absl::ToDoubleSeconds(context_.clock.Now() - job.create_time));
  Log("job-cancelled", job);
}

absl::StatusOr<JobRecord> JobManager::EndEarly(const Caller& caller, std::string_view name) {
  absl::StatusOr<JobRecord> job = Get(caller, name);
  if (job.ok()) job = context_.store.EndEarly(job->id, context_.clock.Now());
  if (!job.ok()) return job;
  if (IsFinished(job->state)) {
    TellCancelled(*job);
  } else {
    context_.supervisor.OnJobEndsEarly(job->id);
    Log("job-ends-early", *job);
  }
  return job;
}

absl::StatusOr<JobRecord> JobManager::Retry(const Caller& caller, std::string_view name) {
  if (absl::Status status = CheckAccepting(); !status.ok()) return status;
  absl::StatusOr<JobRecord> job = Get(caller, name);
  if (job.ok()) job = context_.store.Retry(job->id, context_.clock.Now());
  if (!job.ok()) return Told(job.status());
  return job;
}

absl::Status JobManager::Delete(const Caller& caller, std::string_view name) {
  const absl::StatusOr<JobRecord> job = Get(caller, name);
  if (!job.ok()) return job.status();
  const absl::StatusOr<ArtifactStore*> artifacts = context_.artifacts.Of(job->tenant);
  if (!artifacts.ok()) return artifacts.status();
  if (IsFinished(job->state) && !context_.supervisor.AwaitAttemptGone(job->id))
    LogWarning("attempt-still-ending", {{"job", job->id}});
  const auto deleting = context_.references.Deleting();
  absl::StatusOr<DeletedJob> deleted = context_.store.Delete(job->id);
  if (!deleted.ok()) return deleted.status();
  for (const std::string& digest : deleted->unreferenced) {
    absl::Status status = (*artifacts)->Delete(digest);
    if (status.ok() || absl::IsNotFound(status)) continue;
    LogWarning("artifact-left", {{"sha256", digest}, {"reason", std::string(status.message())}});
  }
  LogInfo("job-deleted", {{"job", job->id}});
  return absl::OkStatus();
}

absl::StatusOr<JobPage> JobManager::List(const Caller& caller, const ListQuery& query) {
  if (query.page_size < 0) {
    return absl::InvalidArgumentError(absl::StrCat("page_size is ", query.page_size, "; accepted are 0 (for ",
                                                   kDefaultPageSize, ") to ", kMaxPageSize, "."));
  }
  absl::StatusOr<std::string> tenant = TenantToList(caller, query.tenant);
  if (!tenant.ok()) return tenant.status();
  ListQuery bounded = query;
  bounded.tenant = *std::move(tenant);
  bounded.page_size = query.page_size == 0 ? kDefaultPageSize : std::min(query.page_size, kMaxPageSize);
  std::sort(bounded.states.begin(), bounded.states.end());
  bounded.states.erase(std::unique(bounded.states.begin(), bounded.states.end()), bounded.states.end());
  return context_.store.List(bounded);
}

absl::StatusOr<QueueReading> JobManager::ReadQueue() {
  absl::StatusOr<QueueStats> stats = context_.store.Stats();
  if (!stats.ok()) return stats.status();
  return QueueReading{*std::move(stats), context_.clock.Now()};
}

}  // namespace kprune
