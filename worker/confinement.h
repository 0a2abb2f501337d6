// How a worker shuts itself in before it reads anything of its job (docs/cage.md).
#ifndef KPRUNE_WORKER_CONFINEMENT_H_
#define KPRUNE_WORKER_CONFINEMENT_H_

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace kprune {

// What a worker says to itself when it starts again.
inline constexpr char kConfinedFlag[] = "--places-are-fenced";

struct Confinement {
  std::string cage = "on";    // of kCageModes
  bool only_job_dir = false;  // else it reads all that its user can
  std::string device;         // "cpu", or where a GPU may be needed
  // What the worker itself reads beside: its signing key, its ONNX Runtime. What is no path is passed over.
  std::vector<std::filesystem::path> places;
  bool begun = false;  // this is the worker that was started again
};

// Makes the job's scratch folder and closes the cage. Starts the worker again, with `argv`, once, where the
// cage or settings of its environment (`settings_changed`) need that. FAILED_PRECONDITION: the kernel lacks
// what is required. INTERNAL: the cage cannot be closed, or the worker cannot be started again.
absl::Status Confine(const std::filesystem::path& job_directory, const Confinement& confinement,
                     bool settings_changed, char** argv);

}  // namespace kprune

#endif  // KPRUNE_WORKER_CONFINEMENT_H_
