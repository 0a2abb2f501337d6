#include "server/jobs/preflight_runner.h"

#include <random>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"
#include "server/jobs/job_directory.h"
#include "server/jobs/worker_outcome.h"

namespace kprune {
namespace {

constexpr size_t kMaxPreflightBytes = 64 * 1024;
constexpr char kFolder[] = "preflight";

std::string RandomName() {
  std::random_device random;
  return absl::StrFormat("%08x%08x", random(), random());
}

// Hears the worker out until it ends; nothing when the deadline comes first.
std::optional<WorkerExitStatus> WaitUntil(WorkerProcess& worker, Clock& clock, absl::Time deadline) {
  for (;;) {
    const absl::Duration left = deadline - clock.Steady();
    if (left <= absl::ZeroDuration()) return std::nullopt;
    if (worker.ReadProgress(left).kind == ProgressRead::Kind::kClosed) {
      return worker.Wait(std::max(absl::ZeroDuration(), deadline - clock.Steady()));
    }
  }
}

absl::StatusOr<std::string> ReadPreflight(const std::filesystem::path& job_directory) {
  absl::StatusOr<std::string> text =
      ReadSmallFile(job_directory / kResultDirectory / kPreflightFile, kMaxPreflightBytes);
  if (text.ok() && nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false).is_object()) return text;
  return absl::InternalError("The preflight ended well but left no preflight.json that can be read.");
}

}  // namespace

PreflightRunner::PreflightRunner(WorkerLauncher& launcher, Clock& clock, PreflightOptions options)
    : launcher_(launcher), clock_(clock), options_(std::move(options)) {
  std::error_code ignored;
  std::filesystem::remove_all(options_.work_dir / kFolder, ignored);
}

absl::StatusOr<std::string> PreflightRunner::Run(const JobInput& input, ArtifactStore& artifacts) {
  absl::StatusOr<JobDirectory> directory =
      JobDirectory::LayOut(options_.work_dir / kFolder / RandomName(), "preflight", input, artifacts);
  if (!directory.ok()) return directory.status();
  // Reading headers needs no GPU, whatever device the job is for.
  auto worker = launcher_.Launch({directory->path(), "cpu"});
  if (!worker.ok()) return worker.status();
  const std::optional<WorkerExitStatus> exit =
      WaitUntil(**worker, clock_, clock_.Steady() + options_.time_limit);
  if (!exit) {
    return absl::DeadlineExceededError(absl::StrCat("Checking the job took longer than ",
                                                    absl::FormatDuration(options_.time_limit),
                                                    "; send a smaller model or fewer samples."));
  }
  if (!exit->signalled && exit->value == kWorkerSucceeded) return ReadPreflight(directory->path());
  if (!exit->signalled && exit->value == kWorkerFailed) return ReadWorkerError(directory->path());
  return DescribeCrash(*exit, directory->path());
}

}  // namespace kprune
