// kprune-worker: runs the one job of a job directory and exits. include/kprune/worker_protocol.h is the
// contract.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_replace.h"
#include "cage/cage.h"
#include "engine/formats/file.h"
#include "kprune/trace_parent.h"
#include "kprune/worker_protocol.h"
#include "worker/confinement.h"
#include "worker/devices.h"
#include "worker/job_file.h"
#include "worker/jobs.h"
#include "worker/processors.h"
#include "worker/progress_lines.h"
#include "worker/provenance.h"
#include "worker/stop_request.h"

namespace {

// Files of the job directory are named as the job's owner knows them: data/samples.jsonl, not where a server
// laid them out.
std::string WithoutJobDirectory(const std::string& directory, std::string_view message) {
  const std::string prefix = (std::filesystem::absolute(directory) / "").lexically_normal().string();
  return absl::StrReplaceAll(absl::string_view(message.data(), message.size()), {{prefix, ""}});
}

// What the worker's operator says, whatever the job.
struct WorkerFlags {
  std::string device;
  std::string onnxruntime = "auto";
  std::string signing_key;
  kprune::Confinement confinement;
};

// Prints the devices; fails where the signing key cannot be used, so that a server need not wait for its
// first job to know.
int Probe(const WorkerFlags& flags) {
  const auto key = kprune::LoadConfiguredSigningKey(flags.signing_key);
  if (!key.ok()) {
    std::cerr << "kprune-worker: " << key.status().message() << "\n";
    return kprune::kWorkerFailed;
  }
  std::cout << kprune::ProbeDevices().dump() << "\n";
  return kprune::kWorkerSucceeded;
}

// Written aside: a caged worker can only move files into its job directory.
absl::Status WriteError(const std::filesystem::path& directory, const std::string& text) {
  const std::filesystem::path aside = directory / kprune::kScratchDirectory / kprune::kErrorFile;
  if (absl::Status written = kprune::WriteFileDurably(aside, text); !written.ok()) return written;
  std::error_code error;
  std::filesystem::rename(aside, directory / kprune::kErrorFile, error);
  return error ? absl::InternalError("cannot write error.json: " + error.message()) : absl::OkStatus();
}

// For libraries that trace, and for whoever reads the worker's log.
void NameTrace(const kprune::WorkerJob& job) {
  if (!kprune::IsTraceParent(job.trace_parent)) return;
  setenv("TRACEPARENT", job.trace_parent.c_str(), 1);
  std::cerr << "kprune-worker: " << job.name << ", trace " << kprune::TraceIdOf(job.trace_parent)
            << std::endl;
}

// Runs the job, if the worker could be `confined`; its failure goes to error.json.
int RunDirectory(const std::string& directory, const WorkerFlags& flags, int progress_fd,
                 const absl::Status& confined) {
  kprune::WatchForStop(progress_fd);
  kprune::ProgressLines progress(progress_fd, kprune::StopRequested());
  absl::StatusOr<kprune::WorkerJob> job =
      confined.ok() ? kprune::ReadJobFile(directory) : absl::StatusOr<kprune::WorkerJob>(confined);
  if (job.ok()) {
    if (!flags.device.empty()) job->options.device = flags.device;
    job->onnxruntime = flags.onnxruntime;
    job->signing_key = flags.signing_key;
    NameTrace(*job);
  }
  const absl::Status status = job.ok() ? kprune::RunJob(*job, progress) : job.status();
  if (status.ok()) return kprune::kWorkerSucceeded;
  if (progress.cancelled() || absl::IsCancelled(status)) return kprune::kWorkerCancelled;
  const std::string message = WithoutJobDirectory(directory, std::string(status.message()));
  const nlohmann::json error = {{"code", absl::StatusCodeToString(status.code())}, {"message", message}};
  const absl::Status written =
      WriteError(directory, error.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  // Whoever reads the progress reads error.json, too.
  if (progress_fd < 0) std::cerr << "kprune-worker: " << message << "\n";
  if (!written.ok()) std::cerr << "kprune-worker: " << written.message() << "\n";
  return kprune::kWorkerFailed;
}

}  // namespace

int main(int argc, char** argv) {
  const bool spin_count_set = kprune::SetSpinCount();
  kprune::KeepFreedMemory();
  kprune::UseLargePages();
  CLI::App app(
      "Runs the one job of a job directory and exits: 0 done, 1 failed (error.json says why), 2 cancelled, 3 "
      "usage.");
  app.set_version_flag("--version", "kprune-worker " KPRUNE_VERSION);
  std::string directory;
  WorkerFlags flags;
  int progress_fd = -1;
  bool probe = false;
  auto* directory_option =
      app.add_option("--job-dir", directory, "Job directory with job.json and its inputs")
          ->check(CLI::ExistingDirectory);
  app.add_option("--progress-fd", progress_fd, "Descriptor for progress, one JSON event a line")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--device", flags.device, "Device to run on, instead of the job's: auto, cpu or cuda:N");
  app.add_option("--onnxruntime", flags.onnxruntime,
                 "ONNX Runtime that runs exported models: a libonnxruntime.so, auto (the loader's) or none")
      ->envname("KPRUNE_ONNXRUNTIME")
      ->capture_default_str();
  app.add_option(
         "--signing-key", flags.signing_key,
         "Private key (PEM, Ed25519 or ECDSA P-256) that signs the provenance of results; without one it is "
         "not signed")
      ->envname("KPRUNE_SIGNING_KEY");
  app.add_option("--cage", flags.confinement.cage,
                 "No network, no processes and no files but the job's for what reads the job (docs/cage.md): "
                 "off, on (as far as the kernel has it) or require (else fail)")
      ->envname("KPRUNE_WORKER_CAGE")
      ->check(CLI::IsMember(
          std::vector<std::string>(std::begin(kprune::kCageModes), std::end(kprune::kCageModes))))
      ->capture_default_str();
  app.add_flag("--only-job-dir", flags.confinement.only_job_dir,
               "All inputs are in the job directory: a caged worker reads no other data of this machine");
  app.add_flag(kprune::kConfinedFlag, flags.confinement.begun, "")->group("");  // of the worker's own
  app.add_flag("--probe", probe, "Print the devices of this machine as JSON and exit")
      ->excludes(directory_option);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kprune::kWorkerSucceeded : kprune::kWorkerUsage;
  }
  if (probe) return Probe(flags);
  if (directory.empty()) {
    std::cerr << "kprune-worker: give --job-dir or --probe; --help says more\n";
    return kprune::kWorkerUsage;
  }
  flags.confinement.device = flags.device;
  flags.confinement.places = {flags.signing_key, flags.onnxruntime};
  const absl::Status confined = kprune::Confine(directory, flags.confinement, spin_count_set, argv);
  return RunDirectory(directory, flags, progress_fd, confined);
}
