#include "client/remote_job.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace kprune::client {

namespace v1 = kprune::v1;

absl::StatusOr<std::string> ResolveJobName(const Connection& connection, const std::string& reference) {
  if (reference != "@latest") {
    return absl::StartsWith(reference, "jobs/") ? reference : absl::StrCat("jobs/", reference);
  }
  const absl::StatusOr<std::vector<v1::Job>> jobs = ListJobs(connection, {}, 1);
  if (!jobs.ok()) return jobs.status();
  if (jobs->empty()) {
    return absl::NotFoundError(absl::StrCat("@latest: the server at ", connection.address(), " has no jobs"));
  }
  return jobs->front().name();
}

absl::StatusOr<v1::Job> GetJob(const Connection& connection, const std::string& name) {
  CallContext context(connection, CallContext::Kind::kUnary);
  v1::GetJobRequest request;
  request.set_name(name);
  v1::Job job;
  const absl::Status status = connection.Explain(connection.jobs().GetJob(context.get(), request, &job));
  if (!status.ok()) return status;
  return job;
}

absl::StatusOr<std::vector<v1::Job>> ListJobs(const Connection& connection,
                                              const std::vector<v1::JobState>& states, int64_t limit) {
  constexpr int64_t kLargestPage = 1000;
  std::vector<v1::Job> jobs;
  v1::ListJobsRequest request;
  for (const v1::JobState state : states) request.add_states(state);
  do {
    CallContext context(connection, CallContext::Kind::kUnary);
    request.set_page_size(
        static_cast<int32_t>(std::min(kLargestPage, limit - static_cast<int64_t>(jobs.size()))));
    v1::ListJobsResponse page;
    const absl::Status status = connection.Explain(connection.jobs().ListJobs(context.get(), request, &page));
    if (!status.ok()) return status;
    for (const v1::Job& job : page.jobs()) {
      if (static_cast<int64_t>(jobs.size()) < limit) jobs.push_back(job);
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && static_cast<int64_t>(jobs.size()) < limit);
  return jobs;
}

absl::StatusOr<v1::Job> CreateJob(const Connection& connection, const v1::CreateJobRequest& request,
                                  const BackoffOptions& options) {
  Backoff backoff(options);
  for (;;) {
    CallContext context(connection, CallContext::Kind::kUnary);
    v1::Job job;
    const absl::Status status = connection.Explain(connection.jobs().CreateJob(context.get(), request, &job));
    if (status.ok()) return job;
    if (!IsTransient(status) || backoff.exhausted()) return status;
    if (absl::Status slept = connection.interrupt().SleepFor(backoff.Next()); !slept.ok()) return slept;
  }
}

}  // namespace kprune::client
