// kprune.v1.JobService over gRPC's callback API: convert, call JobManager, convert.
#ifndef KPRUNE_SERVER_RPC_JOB_SERVICE_H_
#define KPRUNE_SERVER_RPC_JOB_SERVICE_H_

#include <memory>

#include "kprune/job_store.h"
#include "kprune/v1/job_service.grpc.pb.h"
#include "server/jobs/job_manager.h"

namespace kprune {

struct JobServiceOptions {
  // Preflights that run at once, and CreateJob calls that may wait for one; more are RESOURCE_EXHAUSTED.
  int preflight_threads = 2;
  int max_waiting_creates = 64;
};

// Thread-safe. `jobs` and `store` are borrowed. A watcher costs no thread: one thread feeds them all.
class JobService final : public v1::JobService::CallbackService {
 public:
  JobService(JobManager& jobs, JobStore& store, const JobServiceOptions& options);
  // The gRPC server must have been shut down.
  ~JobService() override;

  // Ends the open watches with UNAVAILABLE, so that a server that shuts down need not wait for them. Call it
  // before grpc::Server::Shutdown.
  void EndWatches();

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
  grpc::ServerUnaryReactor* RetryJob(grpc::CallbackServerContext* context, const v1::RetryJobRequest* request,
                                     v1::Job* response) override;

 private:
  class TaskQueue;
  class WatchHub;

  JobManager& jobs_;
  std::unique_ptr<TaskQueue> creates_;
  std::unique_ptr<WatchHub> watches_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_JOB_SERVICE_H_
