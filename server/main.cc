// kprune-server: puts the parts together, serves until SIGTERM or SIGINT, drains.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/artifacts/local_artifact_store.h"
#include "server/data_dir_lock.h"
#include "server/devices.h"
#include "server/flags.h"
#include "server/grpc_endpoint.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/process_worker_launcher.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/jobs/supervisor.h"
#include "server/jobs/system_clock.h"
#include "server/log.h"
#include "server/metrics/metrics_endpoint.h"
#include "server/metrics/prometheus_metrics.h"
#include "server/metrics/queue_collector.h"
#include "server/rpc/artifact_service.h"
#include "server/rpc/job_service.h"
#include "server/rpc/server_service.h"
#include "server/shutdown_signals.h"

namespace kprune {
namespace {

constexpr absl::Duration kProbeLimit = absl::Seconds(60);

absl::Status WritePortFile(const std::string& path, int port) {
  if (path.empty()) return absl::OkStatus();
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary);
  if ((file << port << "\n").flush() && std::rename(temporary.c_str(), path.c_str()) == 0)
    return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write the port file ", path));
}

absl::StatusOr<std::unique_ptr<LocalArtifactStore>> OpenArtifacts(const ServerFlags& flags) {
  LocalArtifactStoreOptions options;
  options.folder = flags.data_dir / "artifacts";
  options.max_artifact_bytes = flags.max_artifact_bytes;
  options.disk_low_bytes = flags.disk_low_bytes;
  return LocalArtifactStore::Open(options);
}

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> ServeMetrics(
    const std::string& address, std::vector<std::shared_ptr<prometheus::Collectable>> sources) {
  if (address == "off") return nullptr;
  return MetricsEndpoint::Start(address, std::move(sources));
}

absl::Status Serve(const ServerFlags& flags) {
  const auto lock = DataDirLock::Acquire(flags.data_dir);
  if (!lock.ok()) return lock.status();
  const auto found = ProbeDevices(flags.worker, kProbeLimit);
  if (!found.ok()) return found.status();
  const auto devices = ChooseDevices(*found, flags.devices);
  if (!devices.ok()) return devices.status();
  std::vector<std::string> device_ids;
  for (const Device& device : *devices) device_ids.push_back(device.id);

  const ShutdownSignals signals;
  SystemClock clock;
  PrometheusMetrics metrics;
  absl::Notification draining;

  const auto artifacts = OpenArtifacts(flags);
  if (!artifacts.ok()) return artifacts.status();
  JobStoreOptions store_options;
  store_options.max_queued_jobs = flags.max_queued_jobs;
  const auto jobs = OpenSqliteJobStore(flags.data_dir / "jobs.db", store_options);
  if (!jobs.ok()) return jobs.status();

  ArtifactReferences references;
  ProcessWorkerLauncher launcher(flags.worker);
  PreflightOptions preflight_options;
  preflight_options.data_dir = flags.data_dir;
  PreflightRunner preflight(**artifacts, launcher, clock, preflight_options);
  SupervisorOptions supervisor_options;
  supervisor_options.data_dir = flags.data_dir;
  supervisor_options.devices = device_ids;
  supervisor_options.grace_period = absl::Seconds(flags.cancel_grace_seconds);
  Supervisor supervisor({**jobs, **artifacts, references, launcher, clock, metrics}, supervisor_options);
  JobManagerOptions manager_options;
  manager_options.devices = device_ids;
  JobManager manager({**jobs, **artifacts, references, preflight, supervisor, clock, metrics},
                     manager_options);

  const auto collector = std::make_shared<QueueCollector>(jobs->get(), &clock);
  const auto metrics_endpoint = ServeMetrics(flags.metrics_listen, {metrics.registry(), collector});
  if (!metrics_endpoint.ok()) return metrics_endpoint.status();

  ArtifactServiceImpl artifact_service(artifacts->get(), &metrics, &draining);
  JobServiceImpl job_service(manager, **jobs, JobServiceOptions());
  ServerServiceImpl server_service(
      *devices, {flags.max_artifact_bytes, flags.max_queued_jobs, manager_options.max_files});
  const auto endpoint =
      GrpcEndpoint::Start(flags.listen, {&artifact_service, &job_service, &server_service}, &metrics);
  if (!endpoint.ok()) return endpoint.status();
  absl::Status status = supervisor.Start();
  if (status.ok() && *metrics_endpoint)
    status = WritePortFile(flags.metrics_port_file, (*metrics_endpoint)->port());
  if (status.ok()) status = WritePortFile(flags.port_file, (*endpoint)->port());
  if (!status.ok()) {
    (*endpoint)->Shutdown(absl::Now());
    return status;
  }
  (*endpoint)->SetServing(true);
  LogInfo("serving",
          {{"version", KPRUNE_VERSION},
           {"listen", flags.listen},
           {"port", std::to_string((*endpoint)->port())},
           {"metrics_port", *metrics_endpoint ? std::to_string((*metrics_endpoint)->port()) : "off"},
           {"data_dir", flags.data_dir.string()}});

  signals.Wait();
  const absl::Time deadline = absl::Now() + absl::Seconds(flags.drain_seconds);
  (*endpoint)->SetServing(false);
  draining.Notify();
  manager.StopAccepting();
  supervisor.Drain();
  job_service.EndWatches();
  (*endpoint)->Shutdown(deadline);
  LogInfo("stopped");
  return absl::OkStatus();
}

}  // namespace
}  // namespace kprune

int main(int argc, char** argv) {
  const kprune::ParsedFlags parsed = kprune::ParseFlags(argc, argv);
  if (parsed.exit_status) return *parsed.exit_status;
  const absl::Status status = kprune::Serve(parsed.flags);
  if (status.ok()) return 0;
  std::cerr << "kprune-server: " << status.message() << "\n";
  return 1;
}
