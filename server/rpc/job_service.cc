#include "server/rpc/job_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kprune/trace_parent.h"
#include "server/log.h"
#include "server/rpc/call_trace.h"
#include "server/rpc/job_convert.h"
#include "server/rpc/refuse.h"
#include "server/rpc/status_mapping.h"

namespace kprune {
namespace {

constexpr char kService[] = "kprune.v1.JobService/";

// The database has one connection: more threads would only wait for it.
constexpr int kQuickThreads = 2;

// Clients take messages of 4 MiB unless they ask for more: a job, and a page of them, stays well below.
constexpr size_t kMaxSpecBytes = 512 << 10;
constexpr size_t kMaxPageBytes = 2 << 20;

absl::Status CheckSize(const v1::JobSpec& spec) {
  const size_t bytes = spec.ByteSizeLong();
  if (bytes <= kMaxSpecBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("spec has ", bytes, " bytes; at most ", kMaxSpecBytes, " are accepted."));
}

absl::Status Fill(const absl::StatusOr<JobRecord>& job, v1::Job* response) {
  if (job.ok()) *response = ToProto(*job);
  return job.status();
}

}  // namespace

JobServiceImpl::JobServiceImpl(JobManager& jobs, JobStore& store, Gate& gate,
                               const JobServiceOptions& options)
    : jobs_(jobs),
      gate_(gate),
      options_(options),
      watches_(store, options.stall_limit),
      create_pool_(options.preflight_threads),
      quick_pool_(kQuickThreads) {}

grpc::ServerUnaryReactor* JobServiceImpl::Answer(grpc::CallbackServerContext* context, BlockingPool& pool,
                                                 std::function<absl::Status()> call) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  pool.Schedule([reactor, call = std::move(call)] { reactor->Finish(ToGrpcStatus(call())); });
  return reactor;
}

grpc::ServerUnaryReactor* JobServiceImpl::AnswerCaller(grpc::CallbackServerContext* context,
                                                       const char* method, std::string_view name,
                                                       std::function<absl::Status(const Caller&)> call) {
  absl::StatusOr<Caller> caller = gate_.Admit(*context, absl::StrCat(kService, method), name);
  if (!caller.ok()) return Refuse(context, caller.status());
  return Answer(context, quick_pool_,
                [caller = *std::move(caller), call = std::move(call)] { return call(caller); });
}

grpc::ServerUnaryReactor* JobServiceImpl::CreateJob(grpc::CallbackServerContext* context,
                                                    const v1::CreateJobRequest* request, v1::Job* response) {
  const absl::StatusOr<Caller> caller = gate_.Admit(*context, absl::StrCat(kService, "CreateJob"));
  if (!caller.ok()) return Refuse(context, caller.status());
  if (++creates_ > options_.max_creates) {
    --creates_;
    return Refuse(context, absl::ResourceExhaustedError(
                               absl::StrCat("Already ", options_.max_creates,
                                            " jobs are being checked; try again in a few seconds.")));
  }
  return Answer(context, create_pool_, [this, context, request, response, caller = *caller] {
    const std::string trace_parent = TraceParentOf(*context);
    const LogScope scope(
        {{"request_id", request->request_id()}, {"trace_id", std::string(TraceIdOf(trace_parent))}});
    absl::Status status = CheckSize(request->spec());
    if (status.ok()) {
      JobInput input = FromProto(request->spec());
      input.trace_parent = trace_parent;
      status = request->validate_only() ? Fill(jobs_.Validate(caller, input), response)
                                        : Fill(jobs_.Create(caller, input, request->request_id()), response);
    }
    --creates_;
    gate_.NameResource(*context, response->name());
    return status;
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::GetJob(grpc::CallbackServerContext* context,
                                                 const v1::GetJobRequest* request, v1::Job* response) {
  return AnswerCaller(context, "GetJob", request->name(), [this, request, response](const Caller& caller) {
    return Fill(jobs_.Get(caller, request->name()), response);
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::ListJobs(grpc::CallbackServerContext* context,
                                                   const v1::ListJobsRequest* request,
                                                   v1::ListJobsResponse* response) {
  return AnswerCaller(
      context, "ListJobs", "", [this, request, response](const Caller& caller) -> absl::Status {
        absl::StatusOr<std::vector<JobState>> states = FromProto(request->states());
        if (!states.ok()) return states.status();
        size_t bytes = 0;
        // Takes the jobs in as they are read: each is converted once.
        const auto fits = [&](const JobRecord& record) {
          v1::Job job = ToProto(record);
          bytes += job.ByteSizeLong();
          if (bytes > kMaxPageBytes && response->jobs_size() > 0) return false;
          *response->add_jobs() = std::move(job);
          return true;
        };
        const absl::StatusOr<JobPage> page = jobs_.List(
            caller,
            {request->page_size(), request->page_token(), *std::move(states), fits, request->tenant()});
        if (!page.ok()) return page.status();
        response->set_next_page_token(page->next_page_token);
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<v1::Event>* JobServiceImpl::WatchJob(grpc::CallbackServerContext* context,
                                                              const v1::WatchJobRequest* request) {
  using Stream = grpc::ServerWriteReactor<v1::Event>;
  const absl::StatusOr<Caller> caller =
      gate_.Admit(*context, absl::StrCat(kService, "WatchJob"), request->name());
  if (!caller.ok()) return RefuseStream<Stream>(caller.status());
  absl::StatusOr<std::string> id = ParseJobName(request->name());
  if (!id.ok()) return RefuseStream<Stream>(id.status());
  if (request->after_sequence() < 0) {
    return RefuseStream<Stream>(
        absl::InvalidArgumentError(absl::StrCat("after_sequence is ", request->after_sequence(),
                                                "; accepted is 0 (from the first event) or the last "
                                                "sequence received.")));
  }
  const auto is_seen = [this, caller = *caller, name = request->name()] {
    return jobs_.Get(caller, name).status();
  };
  return watches_.StartWatch(context, *id, request->after_sequence(), is_seen);
}

grpc::ServerUnaryReactor* JobServiceImpl::CancelJob(grpc::CallbackServerContext* context,
                                                    const v1::CancelJobRequest* request, v1::Job* response) {
  return AnswerCaller(context, "CancelJob", request->name(), [this, request, response](const Caller& caller) {
    return Fill(request->keep_partial() ? jobs_.EndEarly(caller, request->name())
                                        : jobs_.Cancel(caller, request->name()),
                response);
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::DeleteJob(grpc::CallbackServerContext* context,
                                                    const v1::DeleteJobRequest* request,
                                                    google::protobuf::Empty*) {
  return AnswerCaller(context, "DeleteJob", request->name(), [this, request](const Caller& caller) {
    return jobs_.Delete(caller, request->name());
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::RetryJob(grpc::CallbackServerContext* context,
                                                   const v1::RetryJobRequest* request, v1::Job* response) {
  return AnswerCaller(context, "RetryJob", request->name(), [this, request, response](const Caller& caller) {
    return Fill(jobs_.Retry(caller, request->name()), response);
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::GetQueueStats(grpc::CallbackServerContext* context,
                                                        const v1::GetQueueStatsRequest*,
                                                        v1::QueueStats* response) {
  return AnswerCaller(context, "GetQueueStats", "", [this, response](const Caller&) {
    const absl::StatusOr<QueueReading> queue = jobs_.ReadQueue();
    if (queue.ok()) *response = ToProto(queue->stats, queue->time);
    return queue.status();
  });
}

}  // namespace kprune
