// A server with everything but workers: real calls over loopback, the queue and the artifacts as in
// production, in a temporary folder (in memory where TMPDIR is).
#ifndef KPRUNE_TESTS_SERVICE_FUZZ_WHOLE_SERVER_H_
#define KPRUNE_TESTS_SERVICE_FUZZ_WHOLE_SERVER_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "server/artifacts/local_tenant_artifacts.h"
#include "server/grpc_endpoint.h"
#include "server/jobs/job_parts.h"
#include "server/jobs/system_clock.h"
#include "server/rpc/artifact_service.h"
#include "server/rpc/job_service.h"
#include "server/rpc/server_service.h"
#include "tests/fakes/fake_worker_launcher.h"
#include "tests/fakes/in_memory_http_host.h"
#include "tests/fakes/open_gate.h"
#include "tests/support/temp_directory.h"

namespace kprune {

// Calls may be made by several threads at once; the rest belongs to one.
class WholeServer {
 public:
  WholeServer();
  ~WholeServer();

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // A new job that is in that state ("QUEUED", "RETRY_WAIT", ...); "" where no state has that name.
  std::string MakeJob(const std::string& state);

  // Ends the job ("jobs/ID") where it has not ended, and deletes it.
  void Remove(const std::string& job);

  // What the next preflights leave as preflight.json; by default what fits.
  void SetPreflight(const std::string& preflight_json) { preflight_json_ = preflight_json; }

  // The files of an input that is accepted, whose bytes are stored.
  const JobInput& input() const { return input_; }

 private:
  // Reads job.json as a worker does, and answers what it would say of it.
  FakeWorkerScript Preflight(const LaunchRequest& request);
  FileEntry Store(const std::string& name, const std::string& bytes);

  const TempDirectory folder_;
  std::string preflight_json_;
  JobInput input_;
  SystemClock clock_;
  InMemoryHttpHost host_;
  absl::Notification draining_;
  const std::unique_ptr<Metrics> metrics_;
  OpenGate gate_{*metrics_};
  std::unique_ptr<LocalTenantArtifacts> artifacts_;
  std::unique_ptr<JobStore> store_;
  FakeWorkerLauncher launcher_{[this](const LaunchRequest& request) { return Preflight(request); }};
  std::unique_ptr<ModelFetcher> fetcher_;
  std::unique_ptr<JobParts> parts_;
  std::unique_ptr<ArtifactServiceImpl> artifact_service_;
  std::unique_ptr<JobServiceImpl> job_service_;
  std::unique_ptr<ServerServiceImpl> server_service_;
  std::unique_ptr<GrpcEndpoint> endpoint_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_SERVICE_FUZZ_WHOLE_SERVER_H_
