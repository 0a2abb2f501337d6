#include "server/jobs/in_memory_job_store.h"

#include <algorithm>
#include <set>

namespace kprune {
namespace {

void CollectDigests(const JobRecord& job, std::set<std::string>& digests) {
  for (const Manifest* files : {&job.input.model, &job.input.data, &job.input.eval, &job.result}) {
    for (const FileEntry& file : *files) digests.insert(file.sha256);
  }
}

bool Matches(const ListQuery& query, const JobRecord& job) {
  if (!query.tenant.empty() && job.tenant != query.tenant) return false;
  return query.states.empty() ||
         std::find(query.states.begin(), query.states.end(), job.state) != query.states.end();
}

}  // namespace

void InMemoryJobStore::Entry::AppendStateChange(absl::Time now) {
  events.push_back({static_cast<int64_t>(events.size()) + 1, now, StateChangedPayload(job.record)});
}

absl::StatusOr<InMemoryJobStore::Entry*> InMemoryJobStore::Find(std::string_view job_id) {
  for (auto& [rank, entry] : jobs_) {
    if (entry.job.record.id == job_id) return &entry;
  }
  return JobNotFound(job_id);
}

absl::StatusOr<InMemoryJobStore::Entry*> InMemoryJobStore::FindLeased(const Lease& lease) {
  auto entry = Find(lease.job_id);
  if (!entry.ok()) return absl::AbortedError("The job of this lease was deleted.");
  if (absl::Status status = CheckLease((*entry)->job, lease); !status.ok()) return status;
  return entry;
}

absl::StatusOr<CreateResult> InMemoryJobStore::Create(const NewJob& job, absl::Time now) {
  StoredJob stored = MakeQueuedJob(job, now);
  {
    std::lock_guard lock(mutex_);
    auto earlier = FindRequest(job.tenant, job.request_id, job.input);
    if (!earlier.ok()) return earlier.status();
    if (*earlier) return CreateResult{**std::move(earlier), false};
    if (absl::Status status = CheckTenantMayQueue(job.tenant, now); !status.ok()) return status;
    Entry& entry = jobs_[next_rank_++];
    entry.job = stored;
    entry.AppendStateChange(now);
  }
  notifier_.Notify(stored.record.id);
  return CreateResult{stored.record, true};
}

absl::StatusOr<JobRecord> InMemoryJobStore::Get(std::string_view job_id) {
  std::lock_guard lock(mutex_);
  auto entry = Find(job_id);
  if (!entry.ok()) return entry.status();
  return (*entry)->job.record;
}

absl::StatusOr<std::optional<JobRecord>> InMemoryJobStore::FindRequest(std::string_view tenant,
                                                                       std::string_view request_id,
                                                                       const JobInput& input) const {
  for (const auto& [rank, entry] : jobs_) {
    const JobRecord& record = entry.job.record;
    if (request_id.empty() || record.tenant != tenant || record.request_id != request_id) continue;
    if (AsAsked(record.input) != AsAsked(input)) return RequestIdTaken(request_id, record.id);
    return std::optional(record);
  }
  return std::optional<JobRecord>();
}

absl::StatusOr<std::optional<JobRecord>> InMemoryJobStore::FindByRequestId(std::string_view tenant,
                                                                           std::string_view request_id,
                                                                           const JobInput& input) {
  std::lock_guard lock(mutex_);
  return FindRequest(tenant, request_id, input);
}

absl::StatusOr<JobPage> InMemoryJobStore::List(const ListQuery& query) {
  int64_t before = INT64_MAX;
  if (!query.page_token.empty()) {
    auto rank = ParsePageToken(query.page_token);
    if (!rank.ok()) return rank.status();
    before = *rank;
  }
  std::lock_guard lock(mutex_);
  JobPage page;
  int64_t last = 0;
  for (auto it = std::make_reverse_iterator(jobs_.lower_bound(before)); it != jobs_.rend(); ++it) {
    if (!Matches(query, it->second.job.record)) continue;
    if (PageEndsBefore(query, page, it->second.job.record)) {
      page.next_page_token = std::to_string(last);
      break;
    }
    page.jobs.push_back(it->second.job.record);
    last = it->first;
  }
  return page;
}

absl::StatusOr<JobRecord> InMemoryJobStore::ChangeJob(std::string_view job_id, absl::Time now,
                                                      const std::function<absl::Status(StoredJob&)>& change) {
  JobRecord result;
  {
    std::lock_guard lock(mutex_);
    auto entry = Find(job_id);
    if (!entry.ok()) return entry.status();
    StoredJob changed = (*entry)->job;
    if (absl::Status status = change(changed); !status.ok()) return status;
    CountEndedAttempt((*entry)->job.record.state, changed, now);
    (*entry)->job = changed;
    (*entry)->AppendStateChange(now);
    result = changed.record;
  }
  notifier_.Notify(job_id);
  return result;
}

absl::StatusOr<JobRecord> InMemoryJobStore::Cancel(std::string_view job_id, absl::Time now) {
  return ChangeJob(job_id, now, [&](StoredJob& job) { return ApplyCancel(job, now); });
}

absl::StatusOr<JobRecord> InMemoryJobStore::EndEarly(std::string_view job_id, absl::Time now) {
  return ChangeJob(job_id, now, [&](StoredJob& job) { return ApplyEndEarly(job, now); });
}

absl::StatusOr<DeletedJob> InMemoryJobStore::Delete(std::string_view job_id) {
  std::set<std::string> digests, kept;
  {
    std::lock_guard lock(mutex_);
    auto entry = Find(job_id);
    if (!entry.ok()) return entry.status();
    if (absl::Status status = CheckDelete((*entry)->job); !status.ok()) return status;
    const std::string tenant = (*entry)->job.record.tenant;
    CollectDigests((*entry)->job.record, digests);
    std::erase_if(jobs_, [&](const auto& item) { return item.second.job.record.id == job_id; });
    for (const auto& [rank, other] : jobs_) {
      if (other.job.record.tenant == tenant) CollectDigests(other.job.record, kept);
    }
  }
  notifier_.Notify(job_id);
  DeletedJob deleted;
  std::set_difference(digests.begin(), digests.end(), kept.begin(), kept.end(),
                      std::back_inserter(deleted.unreferenced));
  return deleted;
}

absl::StatusOr<std::vector<std::string>> InMemoryJobStore::ListFinished(absl::Time before, int limit) {
  std::lock_guard lock(mutex_);
  std::vector<const JobRecord*> finished;
  for (const auto& [rank, entry] : jobs_) {
    const JobRecord& job = entry.job.record;
    if (job.end_time && *job.end_time < before) finished.push_back(&job);
  }
  std::stable_sort(finished.begin(), finished.end(),
                   [](const JobRecord* a, const JobRecord* b) { return *a->end_time < *b->end_time; });
  std::vector<std::string> ids;
  for (const JobRecord* job : finished) {
    if (static_cast<int>(ids.size()) < limit) ids.push_back(job->id);
  }
  return ids;
}

absl::StatusOr<std::vector<std::string>> InMemoryJobStore::FindUnreferenced(
    std::string_view tenant, const std::vector<std::string>& digests) {
  std::lock_guard lock(mutex_);
  std::set<std::string> referenced;
  for (const auto& [rank, entry] : jobs_) {
    if (entry.job.record.tenant == tenant) CollectDigests(entry.job.record, referenced);
  }
  std::vector<std::string> unreferenced;
  for (const std::string& digest : digests) {
    if (!referenced.contains(digest)) unreferenced.push_back(digest);
  }
  return unreferenced;
}

absl::StatusOr<JobRecord> InMemoryJobStore::Retry(std::string_view job_id, absl::Time now) {
  return ChangeJob(job_id, now, [&](StoredJob& job) {
    absl::Status status = ApplyRetry(job, now);
    return status.ok() ? CheckTenantMayQueue(job.record.tenant, now) : status;
  });
}

absl::Status InMemoryJobStore::Heartbeat(const Lease& lease, absl::Time now) {
  std::lock_guard lock(mutex_);
  auto entry = FindLeased(lease);
  if (entry.ok()) (*entry)->job.heartbeat_time = now;
  return entry.status();
}

absl::Status InMemoryJobStore::SetWorker(const Lease& lease, const ProcessIdentity& worker) {
  std::lock_guard lock(mutex_);
  auto entry = FindLeased(lease);
  if (entry.ok()) (*entry)->job.worker = worker;
  return entry.status();
}

absl::Status InMemoryJobStore::SetModel(const Lease& lease, const Manifest& model,
                                        std::string_view payload_json, absl::Time now) {
  {
    std::lock_guard lock(mutex_);
    auto entry = FindLeased(lease);
    if (!entry.ok()) return entry.status();
    (*entry)->job.record.input.model = model;
  }
  return AppendEvent(lease, payload_json, std::nullopt, now);
}

absl::Status InMemoryJobStore::SetPreflight(const Lease& lease, std::string_view preflight_json) {
  std::lock_guard lock(mutex_);
  auto entry = FindLeased(lease);
  if (entry.ok()) (*entry)->job.record.preflight_json = std::string(preflight_json);
  return entry.status();
}

absl::Status InMemoryJobStore::AppendEvent(const Lease& lease, std::string_view payload_json,
                                           std::optional<double> progress, absl::Time now) {
  {
    std::lock_guard lock(mutex_);
    auto entry = FindLeased(lease);
    if (!entry.ok()) return entry.status();
    if (progress) (*entry)->job.record.progress = *progress;
    auto& events = (*entry)->events;
    events.push_back({static_cast<int64_t>(events.size()) + 1, now, std::string(payload_json)});
  }
  notifier_.Notify(lease.job_id);
  return absl::OkStatus();
}

absl::Status InMemoryJobStore::Change(const Lease& lease, absl::Time now,
                                      const std::function<void(StoredJob&)>& apply) {
  {
    std::lock_guard lock(mutex_);
    auto entry = FindLeased(lease);
    if (!entry.ok()) return entry.status();
    apply((*entry)->job);
    CountEndedAttempt(JobState::kRunning, (*entry)->job, now);
    (*entry)->AppendStateChange(now);
  }
  notifier_.Notify(lease.job_id);
  return absl::OkStatus();
}

absl::StatusOr<JobState> InMemoryJobStore::Succeed(const Lease& lease, const Manifest& result,
                                                   absl::Time now) {
  JobState state = JobState::kSucceeded;
  absl::Status status = Change(lease, now, [&](StoredJob& job) {
    ApplySuccess(job, result, now);
    state = job.record.state;
  });
  if (!status.ok()) return status;
  return state;
}

absl::Status InMemoryJobStore::Fail(const Lease& lease, const JobError& error, absl::Time now) {
  return Change(lease, now, [&](StoredJob& job) { ApplyFailure(job, error, now); });
}

absl::StatusOr<JobState> InMemoryJobStore::RecordCrash(const Lease& lease, const JobError& error,
                                                       absl::Time now) {
  JobState state = JobState::kRetryWait;
  absl::Status status = Change(lease, now, [&](StoredJob& job) {
    ApplyCrash(job, error, options_, now);
    state = job.record.state;
  });
  if (!status.ok()) return status;
  return state;
}

absl::Status InMemoryJobStore::Requeue(const Lease& lease, absl::Time now) {
  return Change(lease, now, [&](StoredJob& job) { ApplyRequeue(job, now); });
}

absl::StatusOr<std::vector<RunningJob>> InMemoryJobStore::ListRunning() {
  std::lock_guard lock(mutex_);
  std::vector<RunningJob> running;
  for (const auto& [rank, entry] : jobs_) {
    const JobRecord& record = entry.job.record;
    if (record.state == JobState::kRunning)
      running.push_back({{record.id, record.lease_epoch}, entry.job.worker});
  }
  return running;
}

absl::StatusOr<EventBatch> InMemoryJobStore::ReadEvents(std::string_view job_id, int64_t after_sequence,
                                                        int limit) {
  std::lock_guard lock(mutex_);
  auto entry = Find(job_id);
  if (!entry.ok()) return entry.status();
  const std::vector<JobEvent>& all = (*entry)->events;
  const size_t first = std::clamp<int64_t>(after_sequence, 0, static_cast<int64_t>(all.size()));
  const size_t last = std::min(all.size(), first + static_cast<size_t>(limit));
  EventBatch batch;
  batch.events.assign(all.begin() + static_cast<int64_t>(first), all.begin() + static_cast<int64_t>(last));
  batch.end = last == all.size() && IsFinished((*entry)->job.record.state);
  return batch;
}

absl::StatusOr<QueueStats> InMemoryJobStore::Stats() {
  std::lock_guard lock(mutex_);
  QueueStats stats;
  stats.queue_id = queue_id_;
  for (const auto& [rank, entry] : jobs_) {
    const JobState state = entry.job.record.state;
    ++stats.jobs[static_cast<size_t>(state)];
    if (state == JobState::kQueued)
      stats.Waits(PriorityClassOf(entry.job.record.input.priority), entry.job.queue_time);
  }
  return stats;
}

std::unique_ptr<JobSubscription> InMemoryJobStore::Subscribe(std::string_view job_id,
                                                             std::function<void()> on_change) {
  return notifier_.Subscribe(job_id, std::move(on_change));
}

}  // namespace kprune
