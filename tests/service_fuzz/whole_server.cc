#include "tests/service_fuzz/whole_server.h"

#include <grpcpp/create_channel.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"
#include "server/jobs/sqlite_job_store.h"
#include "server/metrics/prometheus_metrics.h"
#include "tests/fuzz/promises.h"
#include "worker/job_file.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxArtifactBytes = 1 << 20, kMaxQueuedJobs = 100, kMaxFiles = 8;
constexpr char kFits[] = R"({"family": "bert", "task": "text-classification", "layers": 2, "samples": "8"})";

void Write(const fs::path& file, const std::string& bytes) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << bytes;
}

template <typename T>
T Must(absl::StatusOr<T> value) {
  Require(value.ok(), "what the fixture does is accepted", value.status());
  return *std::move(value);
}

void Must(const absl::Status& status) { Require(status.ok(), "what the fixture does is accepted", status); }

}  // namespace

WholeServer::WholeServer() : preflight_json_(kFits), metrics_(std::make_unique<PrometheusMetrics>()) {
  LocalTenantArtifactsOptions artifact_options;
  artifact_options.data_dir = folder_.path();
  artifact_options.store.max_artifact_bytes = kMaxArtifactBytes;
  artifacts_ = Must(LocalTenantArtifacts::Open(artifact_options));
  JobStoreOptions store_options;
  store_options.max_queued_jobs = kMaxQueuedJobs;
  store_ = Must(OpenSqliteJobStore(folder_ / "jobs.db", store_options));

  ModelFetcherOptions fetcher_options;
  fetcher_options.allowed =
      Must(SourceAllowList::Parse("https://models.example.com/team/ s3://bucket/team/"));
  fetcher_ = std::make_unique<ModelFetcher>(
      fetcher_options, [this] { return host_.MakeClient(); }, clock_);
  JobPartsOptions options;
  options.preflight.work_dir = options.supervisor.work_dir = folder_.path();
  options.manager.max_files = kMaxFiles;
  parts_ = std::make_unique<JobParts>(
      JobPartsContext{*store_, *artifacts_, launcher_, clock_, *metrics_, fetcher_.get()}, options);

  const absl::Duration never = absl::ZeroDuration();
  artifact_service_ =
      std::make_unique<ArtifactServiceImpl>(artifacts_.get(), metrics_.get(), &draining_, &gate_.gate, never);
  JobServiceOptions service_options;
  service_options.stall_limit = never;
  job_service_ = std::make_unique<JobServiceImpl>(parts_->manager, *store_, gate_.gate, service_options);
  const ServerLimits limits = {kMaxArtifactBytes, kMaxQueuedJobs, kMaxFiles, fetcher_->AllowedSources()};
  server_service_ = std::make_unique<ServerServiceImpl>(std::vector<Device>{{"cpu", "a processor", 1 << 30}},
                                                        limits, gate_.gate);
  endpoint_ = Must(GrpcEndpoint::Start(
      "127.0.0.1:0", {artifact_service_.get(), job_service_.get(), server_service_.get()}, metrics_.get()));
  channel_ =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", endpoint_->port()), grpc::InsecureChannelCredentials());

  input_.model = {Store("config.json", R"({"model_type": "bert"})"), Store("model.safetensors", "weights")};
  input_.data = {Store("samples.jsonl", "{\"text\": \"a\"}\n")};
  MakeJob("SUCCEEDED");  // which keeps these files
}

WholeServer::~WholeServer() {
  job_service_->EndWatches();
  endpoint_->Shutdown(absl::InfiniteFuture());
  endpoint_.reset();
}

FileEntry WholeServer::Store(const std::string& name, const std::string& bytes) {
  Write(folder_ / "new" / name, bytes);
  const Artifact artifact = Must(Must(artifacts_->Of(kDefaultTenant))->PutFile(folder_ / "new" / name));
  return {name, artifact.sha256, artifact.size_bytes};
}

FakeWorkerScript WholeServer::Preflight(const LaunchRequest& request) {
  FakeWorkerScript script;
  const absl::StatusOr<WorkerJob> job = ReadJobFile(request.job_directory);
  if (job.ok()) {
    Write(request.job_directory / kResultDirectory / kPreflightFile, preflight_json_);
    return script;
  }
  const std::string message(job.status().message());
  // Strict: an exception where it is no UTF-8.
  Write(request.job_directory / kErrorFile,
        nlohmann::json{{"code", absl::StatusCodeToString(job.status().code())}, {"message", message}}.dump());
  script.exit = {kWorkerFailed, false};
  return script;
}

std::string WholeServer::MakeJob(const std::string& state) {
  const auto known = [&](JobState candidate) { return JobStateName(candidate) == state; };
  if (std::none_of(kJobStates.begin(), kJobStates.end(), known)) return "";
  const absl::Time now = clock_.Now();
  const std::string id = Must(store_->Create({input_, "", kFits}, now)).job.id;
  if (state == "CANCELLED") Must(store_->Cancel(id, now).status());
  if (state == "QUEUED" || state == "CANCELLED") return "jobs/" + id;
  const ClaimResult claimed = Must(store_->Claim("cpu", now));
  Require(claimed.job && claimed.job->id == id, "no other job waits");
  const Lease lease = {id, claimed.job->lease_epoch};
  for (const char* payload :
       {R"({"stage": {"stage": "LOAD", "fraction": 0.1}})", R"({"warning": {"message": "w"}})"})
    Must(store_->AppendEvent(lease, payload, 0.1, now));
  if (state == "SUCCEEDED") Must(store_->Succeed(lease, input_.model, now));
  if (state == "FAILED") Must(store_->Fail(lease, {"INVALID_ARGUMENT", "Why."}, now));
  if (state == "RETRY_WAIT") Must(store_->RecordCrash(lease, {"INTERNAL", "It crashed."}, now).status());
  return "jobs/" + id;
}

void WholeServer::Remove(const std::string& job) {
  parts_->manager.Cancel(Caller(), job).status().IgnoreError();  // it may have ended
  parts_->manager.Delete(Caller(), job).IgnoreError();           // it may be gone
}

}  // namespace kprune
