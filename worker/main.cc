// kprune-worker: runs the one job of a job directory and exits. include/kprune/worker_protocol.h is the
// contract.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_replace.h"
#include "engine/formats/file.h"
#include "kprune/worker_protocol.h"
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

// Runs the job; its failure goes to error.json.
int RunDirectory(const std::string& directory, const WorkerFlags& flags, int progress_fd) {
  kprune::WatchForStop(progress_fd);
  kprune::ProgressLines progress(progress_fd, kprune::StopRequested());
  absl::StatusOr<kprune::WorkerJob> job = kprune::ReadJobFile(directory);
  if (job.ok()) {
    if (!flags.device.empty()) job->options.device = flags.device;
    job->onnxruntime = flags.onnxruntime;
    job->signing_key = flags.signing_key;
  }
  const absl::Status status = job.ok() ? kprune::RunJob(*job, progress) : job.status();
  if (status.ok()) return kprune::kWorkerSucceeded;
  if (progress.cancelled() || absl::IsCancelled(status)) return kprune::kWorkerCancelled;
  const std::string message = WithoutJobDirectory(directory, std::string(status.message()));
  const nlohmann::json error = {{"code", absl::StatusCodeToString(status.code())}, {"message", message}};
  const absl::Status written =
      kprune::WriteFileDurably(std::filesystem::path(directory) / kprune::kErrorFile,
                               error.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  // Whoever reads the progress reads error.json, too.
  if (progress_fd < 0) std::cerr << "kprune-worker: " << message << "\n";
  if (!written.ok()) std::cerr << "kprune-worker: " << written.message() << "\n";
  return kprune::kWorkerFailed;
}

}  // namespace

int main(int argc, char** argv) {
  kprune::LimitSpinning(argv);
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
  return RunDirectory(directory, flags, progress_fd);
}
