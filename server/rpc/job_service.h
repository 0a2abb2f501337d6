// kprune.v1.JobService over gRPC's callback API: convert, call JobManager, convert.
#ifndef KPRUNE_SERVER_RPC_JOB_SERVICE_H_
#define KPRUNE_SERVER_RPC_JOB_SERVICE_H_

#include <atomic>
#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "kprune/job_store.h"
#include "kprune/v1/job_service.grpc.pb.h"
#include "server/jobs/job_manager.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/gate.h"
#include "server/rpc/watch_hub.h"

namespace kprune {

struct JobServiceOptions {
  // Preflights that run at once, and CreateJob calls that may be at it or wait for it; more are
  // RESOURCE_EXHAUSTED.
  int preflight_threads = 2;
  int max_creates = 64;
  // A watch whose client does not take an event for so long is cancelled; zero: never.
  absl::Duration stall_limit = absl::Minutes(2);
};

// Thread-safe. Borrows everything it is given; destroy the gRPC server first, then this, then those. A
// watcher costs no thread.
class JobServiceImpl final : public v1::JobService::CallbackService {
 public:
  JobServiceImpl(JobManager& jobs, JobStore& store, Gate& gate, const JobServiceOptions& options);

  // Ends the open watches with UNAVAILABLE, so that a server that shuts down need not wait for them. Call it
  // before grpc::Server::Shutdown.
  void EndWatches() { watches_.EndAll(); }

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context,
                                      const v1::CreateJobRequest* request, v1::Job* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const v1::GetJobRequest* request,
                                   v1::Job* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::Event>* WatchJob(grpc::CallbackServerContext* context,
                                                const v1::WatchJobRequest* request) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request, v1::Job* response) override;
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext* context,
                                      const v1::DeleteJobRequest* request,
                                      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* GetQueueStats(grpc::CallbackServerContext* context,
                                          const v1::GetQueueStatsRequest* request,
                                          v1::QueueStats* response) override;
  grpc::ServerUnaryReactor* RetryJob(grpc::CallbackServerContext* context, const v1::RetryJobRequest* request,
                                     v1::Job* response) override;

 private:
  // Runs `call` on the pool and finishes the call with its status.
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, BlockingPool& pool,
                                   std::function<absl::Status()> call);

  // The same for a call on the job `name` that has to be let in first; `method`: "GetJob".
  grpc::ServerUnaryReactor* AnswerCaller(grpc::CallbackServerContext* context, const char* method,
                                         std::string_view name,
                                         std::function<absl::Status(const Caller&)> call);

  JobManager& jobs_;
  Gate& gate_;
  const JobServiceOptions options_;
  std::atomic<int> creates_{0};
  WatchHub watches_;
  BlockingPool create_pool_;  // preflights: seconds
  BlockingPool quick_pool_;   // the database: milliseconds
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_JOB_SERVICE_H_
