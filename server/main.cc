// kprune-server: puts the parts together, serves until SIGTERM or SIGINT, drains.
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "cage/cage.h"
#include "server/artifacts/artifact_keys.h"
#include "server/artifacts/local_tenant_artifacts.h"
#include "server/data_dir_lock.h"
#include "server/devices.h"
#include "server/exposure.h"
#include "server/flags.h"
#include "server/grpc_endpoint.h"
#include "server/grpc_log.h"
#include "server/jobs/housekeeper.h"
#include "server/jobs/job_parts.h"
#include "server/jobs/periodic_thread.h"
#include "server/jobs/process_worker_launcher.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/jobs/system_clock.h"
#include "server/log.h"
#include "server/metrics/device_collector.h"
#include "server/metrics/metrics_endpoint.h"
#include "server/metrics/process_collector.h"
#include "server/metrics/prometheus_metrics.h"
#include "server/metrics/queue_collector.h"
#include "server/metrics/storage_collector.h"
#include "server/model_sources.h"
#include "server/port_file.h"
#include "server/rpc/artifact_service.h"
#include "server/rpc/gate.h"
#include "server/rpc/health_endpoint.h"
#include "server/rpc/job_service.h"
#include "server/rpc/server_service.h"
#include "server/rpc/tls_credentials.h"
#include "server/security.h"
#include "server/shutdown_signals.h"
#include "server/work_dir.h"

namespace kprune {
namespace fs = std::filesystem;
namespace {

constexpr absl::Duration kProbeLimit = absl::Seconds(60);

absl::StatusOr<std::unique_ptr<LocalTenantArtifacts>> OpenArtifacts(const ServerFlags& flags,
                                                                    const TenantDirectory& tenants) {
  LocalTenantArtifactsOptions options;
  options.data_dir = flags.data_dir;
  if (!flags.encryption_key_file.empty()) {
    absl::StatusOr<ArtifactKeys> keys = ArtifactKeys::Read(flags.encryption_key_file);
    if (!keys.ok()) return keys.status();
    LogInfo("artifacts-encrypted", {{"key", KeyName(keys->current().id)}});
    options.store.encryption =
        std::make_shared<const ArtifactEncryption>(ArtifactEncryption{*std::move(keys)});
  }
  options.store.max_artifact_bytes = flags.max_artifact_bytes;
  options.store.disk_low_bytes = flags.disk_low_bytes;
  options.tenants = &tenants;
  return LocalTenantArtifacts::Open(options);
}

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> ServeMetrics(
    const std::string& address, std::vector<std::shared_ptr<prometheus::Collectable>> sources) {
  if (address == "off") return nullptr;
  return MetricsEndpoint::Start(address, std::move(sources));
}

// Answers from now on; null where it is off. NOT_SERVING but for its liveness.
absl::StatusOr<std::unique_ptr<HealthEndpoint>> ServeHealth(const ServerFlags& flags) {
  if (flags.health_listen == "off") return nullptr;
  auto health = HealthEndpoint::Start(flags.health_listen);
  if (!health.ok()) return health.status();
  const absl::Status written = WritePortFile(flags.health_port_file, (*health)->port());
  if (!written.ok()) return written;
  return health;
}

std::vector<std::string> Ids(const std::vector<Device>& devices) {
  std::vector<std::string> ids;
  for (const Device& device : devices) ids.push_back(device.id);
  return ids;
}

// What must be there before anything can run.
struct Foundation {
  std::unique_ptr<DataDirLock> lock, work_lock;  // the second is null where they are one folder
  std::vector<Device> devices;
  std::unique_ptr<SystemClock> clock;
  std::unique_ptr<PrometheusMetrics> metrics;
  Security security;  // borrows both
  std::unique_ptr<TenantArtifacts> artifacts;
  std::unique_ptr<JobStore> jobs;  // both borrow what is above
  std::unique_ptr<ModelFetcher> fetcher;
};

// Whether workers can be caged as they shall; says in the log how they are.
absl::Status PrepareCage(const std::string& mode) {
  const CageSupport support = SupportedCage();
  if (absl::Status strong = CheckCage(mode, support); !strong.ok()) return strong;
  if (mode == "off") {
    LogWarning("worker-cage", {{"mode", mode}});
  } else if (!support.complete()) {
    LogWarning("worker-cage", {{"mode", mode}, {"missing", MissingFences(support)}});
  } else {
    LogInfo("worker-cage", {{"mode", mode}, {"landlock", std::to_string(support.landlock)}});
  }
  return absl::OkStatus();
}

// Null where the jobs run in the data folder.
absl::StatusOr<std::unique_ptr<DataDirLock>> LockWorkDir(const ServerFlags& flags) {
  if (flags.work_dir == flags.data_dir) return nullptr;
  if (absl::Status apart = CheckApart(flags.work_dir, flags.data_dir); !apart.ok()) return apart;
  auto lock = DataDirLock::Acquire(flags.work_dir, "--work-dir");
  if (!lock.ok()) return lock;
  for (const char* name : kWorkFolders) {
    const absl::Status made = MakePrivate(flags.work_dir / name);
    if (!made.ok()) return made;
  }
  return lock;
}

absl::StatusOr<Foundation> Prepare(const ServerFlags& flags) {
  if (absl::Status caged = PrepareCage(flags.worker_cage); !caged.ok()) return caged;
  auto clock = std::make_unique<SystemClock>();
  auto fetcher = MakeModelFetcher(flags, *clock);
  if (!fetcher.ok()) return fetcher.status();
  auto lock = DataDirLock::Acquire(flags.data_dir);
  if (!lock.ok()) return lock.status();
  auto work_lock = LockWorkDir(flags);
  if (!work_lock.ok()) return work_lock.status();
  const auto found = ProbeDevices(flags.worker, kProbeLimit, flags.signing_key);
  if (!found.ok()) return found.status();
  auto devices = ChooseDevices(*found, flags.devices);
  if (!devices.ok()) return devices.status();
  auto metrics = std::make_unique<PrometheusMetrics>(Ids(*devices));
  auto security = SetUpSecurity(flags, *clock, *metrics);
  if (!security.ok()) return security.status();
  auto artifacts = OpenArtifacts(flags, security->tenants());
  if (!artifacts.ok()) return artifacts.status();
  JobStoreOptions options;
  options.max_queued_jobs = flags.max_queued_jobs;
  options.tenants = &security->tenants();
  options.metrics = metrics.get();
  auto jobs = OpenSqliteJobStore(flags.data_dir / "jobs.db", options);
  if (!jobs.ok()) return jobs.status();
  return Foundation{*std::move(lock),      *std::move(work_lock), *std::move(devices),
                    std::move(clock),      std::move(metrics),    *std::move(security),
                    *std::move(artifacts), *std::move(jobs),      *std::move(fetcher)};
}

PreflightOptions PreflightOptionsOf(const ServerFlags& flags) {
  PreflightOptions options;
  options.work_dir = flags.work_dir;
  options.time_limit = absl::Seconds(flags.preflight_seconds);
  return options;
}

SupervisorOptions SupervisorOptionsOf(const ServerFlags& flags, const std::vector<Device>& devices) {
  SupervisorOptions options;
  options.work_dir = flags.work_dir;
  options.devices = Ids(devices);
  options.grace_period = absl::Seconds(flags.cancel_grace_seconds);
  options.limits.silence = absl::Seconds(flags.worker_silence_seconds);
  options.limits.time = absl::Seconds(flags.worker_seconds);
  options.limits.memory_bytes = flags.worker_memory_bytes;
  options.limits.scratch_bytes = flags.worker_scratch_bytes;
  return options;
}

JobServiceOptions JobServiceOptionsOf(const ServerFlags& flags) {
  JobServiceOptions options;
  options.stall_limit = absl::Seconds(flags.stream_stall_seconds);
  return options;
}

HousekeeperOptions HousekeeperOptionsOf(const ServerFlags& flags) {
  HousekeeperOptions options;
  options.keep_uploads = absl::Seconds(flags.keep_uploads_seconds);
  options.keep_finished_jobs = absl::Seconds(flags.keep_finished_seconds);
  return options;
}

JobManagerOptions JobManagerOptionsOf(const ServerFlags& flags, const std::vector<Device>& devices) {
  JobManagerOptions options;
  options.max_files = flags.max_files;
  options.devices = Ids(devices);
  return options;
}

// What a scrape collects.
std::vector<std::shared_ptr<prometheus::Collectable>> Collectors(Foundation& base, const ServerFlags& flags) {
  StorageCollectorOptions storage;
  storage.folder = flags.data_dir;
  storage.disk_low_bytes = flags.disk_low_bytes;
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const bool has_gpus = base.devices.front().id != "cpu" || base.devices.size() > 1;
  return {base.metrics->registry(), std::make_shared<QueueCollector>(base.jobs.get(), base.clock.get()),
          std::make_shared<StorageCollector>(base.artifacts.get(), storage),
          std::make_shared<DeviceCollector>(base.devices, has_gpus ? LoadNvml() : std::nullopt,
                                            visible != nullptr ? visible : ""),
          std::make_shared<ProcessCollector>()};
}

// The parts that work, each borrowing those above it.
struct Parts {
  Parts(Foundation& base, const ServerFlags& flags)
      : metrics(*base.metrics),
        gate(*base.security.access, base.security.audit.get()),
        launcher(flags.worker,
                 {flags.onnxruntime, flags.signing_key, flags.worker_memory_bytes, flags.worker_cage}),
        jobs({*base.jobs, *base.artifacts, launcher, *base.clock, metrics, base.fetcher.get()},
             {PreflightOptionsOf(flags), SupervisorOptionsOf(flags, base.devices),
              JobManagerOptionsOf(flags, base.devices)}),
        housekeeper({jobs.manager, *base.jobs, *base.artifacts, jobs.references, *base.clock},
                    HousekeeperOptionsOf(flags)),
        collectors(Collectors(base, flags)),
        artifact_service(base.artifacts.get(), &metrics, &draining, &gate,
                         absl::Seconds(flags.stream_stall_seconds)),
        job_service(jobs.manager, *base.jobs, gate, JobServiceOptionsOf(flags)),
        server_service(base.devices,
                       {flags.max_artifact_bytes, flags.max_queued_jobs, flags.max_files,
                        base.fetcher->AllowedSources()},
                       gate) {
    if (AccessDirectory* const directory = base.security.directory.get()) {
      access_watch.emplace(*base.clock, kFileLookInterval, [this, directory] {
        if (directory->LookAgain()) gate.EndRevokedStreams();
      });
    }
  }

  PrometheusMetrics& metrics;
  Gate gate;
  absl::Notification draining;
  ProcessWorkerLauncher launcher;
  JobParts jobs;
  Housekeeper housekeeper;
  std::vector<std::shared_ptr<prometheus::Collectable>> collectors;
  ArtifactServiceImpl artifact_service;
  JobServiceImpl job_service;
  ServerServiceImpl server_service;
  std::optional<PeriodicThread> access_watch;  // last: it uses what is above
};

GrpcEndpointOptions EndpointOptionsOf(const ServerFlags& flags, const Security& security, Gate& gate) {
  GrpcEndpointOptions options;
  if (security.certificates != nullptr)
    options.credentials = MakeTlsCredentials(*security.certificates, flags.tls_client_auth == "require");
  options.reflection = ReflectionIsOn(flags);
  options.interceptors.push_back(gate.MakeWatcher());
  return options;
}

// Tells the world that the server serves: log, port files, health.
absl::Status Announce(const ServerFlags& flags, GrpcEndpoint& endpoint, const MetricsEndpoint* metrics) {
  absl::Status written;
  if (metrics != nullptr) written = WritePortFile(flags.metrics_port_file, metrics->port());
  if (written.ok()) written = WritePortFile(flags.port_file, endpoint.port());
  if (!written.ok()) return written;
  endpoint.SetServing(true);
  LogInfo("serving", {{"version", KPRUNE_VERSION},
                      {"listen", flags.listen},
                      {"port", std::to_string(endpoint.port())},
                      {"metrics_port", metrics != nullptr ? std::to_string(metrics->port()) : "off"},
                      {"data_dir", flags.data_dir.string()}});
  return written;
}

// Requeues what runs and lets open calls end, until `deadline`.
void Drain(Parts& parts, GrpcEndpoint& endpoint, absl::Time deadline) {
  endpoint.SetServing(false);
  parts.draining.Notify();
  parts.jobs.manager.StopAccepting();
  parts.jobs.supervisor.Drain();
  parts.job_service.EndWatches();
  endpoint.Shutdown(deadline);
}

// What jobs left in the data folder before they had a folder of their own: in the clear.
void ForgetOldWork(const ServerFlags& flags) {
  if (flags.work_dir == flags.data_dir) return;
  for (const char* name : kWorkFolders) {
    std::error_code error;
    fs::remove_all(flags.data_dir / name, error);
    if (error) LogWarning("old-work-left", {{"folder", name}, {"reason", error.message()}});
  }
}

absl::Status Serve(const ServerFlags& flags) {
  const ShutdownSignals signals;  // first: what is prepared has threads, and they inherit it
  absl::StatusOr<Foundation> base = Prepare(flags);
  if (!base.ok()) return base.status();
  const auto health = ServeHealth(flags);
  if (!health.ok()) return health.status();
  Parts parts(*base, flags);
  const auto metrics = ServeMetrics(flags.metrics_listen, parts.collectors);
  if (!metrics.ok()) return metrics.status();
  const auto endpoint =
      GrpcEndpoint::Start(flags.listen, {&parts.artifact_service, &parts.job_service, &parts.server_service},
                          &parts.metrics, EndpointOptionsOf(flags, base->security, parts.gate));
  if (!endpoint.ok()) return endpoint.status();
  absl::Status status = parts.jobs.supervisor.Start();
  if (status.ok()) ForgetOldWork(flags);  // whose workers have gone now
  if (status.ok()) parts.housekeeper.Start();
  if (status.ok()) status = Announce(flags, **endpoint, metrics->get());
  if (!status.ok()) {
    (*endpoint)->Shutdown(absl::Now());
    return status;
  }
  if (*health != nullptr) (*health)->SetServing(true);
  signals.Wait();
  if (*health != nullptr) (*health)->SetServing(false);
  Drain(parts, **endpoint, absl::Now() + absl::Seconds(flags.drain_seconds));
  LogInfo("stopped");
  return absl::OkStatus();
}

}  // namespace
}  // namespace kprune

int main(int argc, char** argv) {
  const kprune::ParsedFlags parsed = kprune::ParseFlags(argc, argv);
  if (parsed.exit_status) return *parsed.exit_status;
  kprune::SetLogFormat(parsed.flags.log_format);
  kprune::TakeLogOfGrpc();
  const absl::Status status = kprune::Serve(parsed.flags);
  if (status.ok()) return 0;
  kprune::LogFailure("kprune-server", std::string(status.message()));
  return 1;
}
