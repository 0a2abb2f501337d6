#include "worker/confinement.h"

#include <iostream>
#include <system_error>

#include "cage/cage.h"
#include "cage/places.h"
#include "kprune/worker_protocol.h"
#include "worker/processors.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> Readable(const Confinement& confinement) {
  if (!confinement.only_job_dir) return {"/"};
  std::vector<fs::path> readable = PlacesOfThisProgram();
  for (const fs::path& place : confinement.places) {
    if (!place.has_parent_path()) continue;
    readable.push_back(place);
    // A library finds others beside itself, not beside links to it.
    std::error_code error;
    const fs::path library = fs::canonical(place, error);
    if (!error && library.filename().string().find(".so") != std::string::npos)
      readable.push_back(library.parent_path());
  }
  return readable;
}

// The half that the worker closes before it starts again.
absl::Status Begin(const fs::path& job_directory, const Confinement& confinement) {
  const CageSupport support = SupportedCage();
  if (absl::Status strong = CheckCage(confinement.cage, support); !strong.ok()) return strong;
  if (const std::string missing = MissingFences(support); !missing.empty())
    std::cerr << "kprune-worker: caged less, for this kernel lacks " << missing << std::endl;
  return FencePlaces({job_directory, Readable(confinement), confinement.device != "cpu"}, support);
}

absl::Status Restart(char** argv) {
  std::vector<char*> arguments;
  for (; *argv != nullptr; ++argv) arguments.push_back(*argv);
  arguments.push_back(const_cast<char*>(kConfinedFlag));
  arguments.push_back(nullptr);
  StartAgain(arguments.data());
  return absl::InternalError(std::string("cannot start the worker again: ") +
                             std::generic_category().message(errno));
}

}  // namespace

absl::Status Confine(const fs::path& job_directory, const Confinement& confinement, bool settings_changed,
                     char** argv) {
  const bool caged = confinement.cage != "off";
  if (confinement.begun)
    return caged ? FenceSystemCalls(confinement.device != "cpu", SupportedCage()) : absl::OkStatus();
  std::error_code error;
  fs::create_directories(job_directory / kScratchDirectory, error);
  if (error) return absl::InternalError("cannot create the job's scratch folder: " + error.message());
  absl::Status status = caged ? Begin(job_directory, confinement) : absl::OkStatus();
  if (!status.ok() || (!caged && !settings_changed)) return status;
  return Restart(argv);
}

}  // namespace kprune
